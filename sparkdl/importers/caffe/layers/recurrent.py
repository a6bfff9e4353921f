"""Recurrent layers: time is axis 0 and the batch axis 1, as Caffe has them."""
