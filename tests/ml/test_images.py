"""Pictures from files in Spark's image schema, and a net that scores them."""

import numpy as np
import pytest

from sparkdl import ml, nn

pytest.importorskip("PIL.Image", reason="Pillow (the extra `images`) is not installed")


def test_pictures_are_read_resized_and_scored(local, tmp_path):
    from PIL import Image

    red = np.zeros((6, 8, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(tmp_path / "red.png")
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    images = ml.read_images(local, str(tmp_path), size=(3, 4))
    assert images.schema["image"].dataType == ml.image_type()
    rows = [row.image for row in images.collect()]
    assert sum(row is None for row in rows) == 1
    (picture,) = [row for row in rows if row is not None]
    assert (picture.height, picture.width, picture.nChannels, picture.mode) == (3, 4, 3, 16)
    pixels = np.frombuffer(picture.data, np.uint8).reshape(3, 4, 3)
    assert (pixels == [0, 0, 200]).all()  # blue, green, red

    net = nn.Sequential(nn.Permute((3, 1, 2)), nn.GlobalAvgPool())
    whole = ml.read_images(local, str(tmp_path), size=(3, 4), drop_invalid=True)
    scored = ml.NNModel(model=net, featuresCol="image").transform(whole).collect()
    assert [row.prediction.toArray().tolist() for row in scored] == [[0.0, 0.0, 200.0]]
