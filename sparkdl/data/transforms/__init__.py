"""What happens to a batch's rows on their way to the model: pictures and text.

    transform = Compose(Decode(), RandomResizedCrop(224), RandomFlip(), Normalize(MEAN, STD), ChannelsFirst())
    ArrayFeed(files, labels, transform=transform)

Pictures are (batch, height, width, channels), or an object array of (height, width, channels) while they differ in
size. What is random is drawn from seed, epoch and the sample's global position, so that it does not depend on the
number of tasks, and happens in training only: in evaluation crops are centred and the rest does nothing.
"""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "compose": ["Compose", "Draw"],
        "decode": ["Decode"],
        "resize": ["Resize"],
        "crop": ["CenterCrop", "RandomCrop", "RandomResizedCrop"],
        "flip": ["RandomFlip"],
        "jitter": ["ColorJitter"],
        "cutout": ["Cutout"],
        "normalize": ["Normalize"],
        "layout": ["ChannelsFirst", "ChannelsLast"],
        "tokenize": ["Tokenize"],
        "vocabulary": ["Vocabulary"],
        "pad": ["Pad"],
    },
)
