"""What a Caffe data layer does to a picture before the net sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparkdl.errors import FormatError, ShapeError
from sparkdl.importers.caffe.mean import beside, load_caffe_mean
from sparkdl.importers.caffe.message import Message


@dataclass
class Preprocess:
    """``y = (crop(x) - mean) * scale``: the middle of the picture, less its mean, scaled.

    Caffe's nets take pictures with channels in the order BGR, as OpenCV and Spark's image source give them:
    ``channel_order`` says so. A picture read by Pillow (RGB) is turned with ``x[:, ::-1]`` first.
    """

    scale: float = 1.0
    mean_values: tuple[float, ...] = ()
    mean: np.ndarray | None = None  # (channels, height, width)
    mean_file: str = ""  # where the net looked for it, if it was not found
    crop: tuple[int, int] = (0, 0)  # height, width; 0: no crop
    mirror: bool = False  # in training: half of the pictures are turned left to right
    channel_order: str = "BGR"

    @classmethod
    def from_message(cls, transform: Message, folder: Path) -> Preprocess:
        if transform["mean_file"] and transform["mean_value"]:
            raise FormatError("transform_param has both mean_file and mean_value; only one is allowed.")
        size = transform["crop_size"]
        found = beside(folder, transform["mean_file"])
        return cls(
            scale=transform["scale"],
            mean_values=tuple(transform["mean_value"]),
            mean=None if found is None else load_caffe_mean(found),
            mean_file="" if found is not None else transform["mean_file"],
            crop=(transform["crop_h"] or size, transform["crop_w"] or size),
            mirror=transform["mirror"],
        )

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """float32 (batch, channels, height, width) from pictures of that shape, of any number type, values 0 to 255."""
        x = np.asarray(pictures)
        if x.ndim != 4:
            raise ShapeError(f"preprocess takes (batch, channels, height, width), got {x.shape}.")
        if self.mean_file and self.mean is None:
            raise FormatError(
                f"the net subtracts the mean file {self.mean_file!r}, which is not beside the prototxt; "
                "set model.preprocess.mean = load_caffe_mean(path)."
            )
        x = x.astype(np.float32)
        if self.mean is not None:
            if self.mean.shape != x.shape[1:]:
                raise ShapeError(f"the mean has shape {self.mean.shape}, the pictures {x.shape[1:]}; resize them first.")
            x = x - self.mean
        elif self.mean_values:
            if len(self.mean_values) not in (1, x.shape[1]):
                raise ShapeError(f"{len(self.mean_values)} mean values for {x.shape[1]} channels.")
            x = x - np.asarray(self.mean_values, np.float32).reshape(-1, 1, 1)
        height, width = self.crop
        if height and width:
            if x.shape[2] < height or x.shape[3] < width:
                raise ShapeError(f"pictures of {x.shape[2:]} are smaller than the crop {self.crop}.")
            top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
            x = x[:, :, top : top + height, left : left + width]
        return np.ascontiguousarray(x * np.float32(self.scale))
