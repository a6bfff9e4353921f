"""Readers of data files, in Python: into arrays here, or into DataFrames from any path that Spark can read.

Files are taken as hostile: sizes are believed only as far as bytes are there, and a truncated or corrupt file gives one
``FormatError`` that says where.
"""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "idx": ["read_idx", "read_mnist"],
        "cifar": ["read_cifar", "cifar_frame"],
        "tfrecord": ["tfrecords", "read_examples", "tfrecord_frame"],
        "sequencefile": ["sequence_records", "sequence_frame"],
        "lmdb": ["lmdb_items", "caffe_records", "read_caffe_lmdb", "caffe_lmdb_frame"],
        "frames": ["frame_of_arrays", "frame_of_files"],
    },
)
