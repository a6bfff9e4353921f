"""Transforms: right pictures and texts, drawn by sample and epoch, quiet in evaluation."""

import io

import numpy as np
import pytest

from sparkdl.data import ArrayFeed, EpochPlan
from sparkdl.data import transforms as T
from sparkdl.data.order import Batch
from sparkdl.data.transforms import compose
from sparkdl.errors import DataError, FormatError

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra images)")
RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (6, 8, 10, 3), np.uint8)


def batch(rows, training=True, seed=1, epoch=0):
    rows = np.asarray(rows, np.int64)
    return Batch(0, len(rows), np.array([0, len(rows)]), rows, rows, rows, seed, epoch, training)


def apply(step, x, training=True, **kwargs):
    return T.Compose(step)((x,), batch(np.arange(len(x)), training, **kwargs))[0]


def encoded(picture, kind="PNG"):
    out = io.BytesIO()
    Image.fromarray(picture.squeeze()).save(out, kind)
    return out.getvalue()


def objects(items):
    x = np.empty(len(items), object)
    x[:] = items
    return x


RANDOM = [
    T.RandomCrop((6, 6), padding=2),
    T.RandomResizedCrop((5, 7)),
    T.RandomFlip(),
    T.RandomFlip(axis="height"),
    T.ColorJitter(0.4, 0.4, 0.4, 0.1),
    T.Cutout(3),
]


@pytest.mark.parametrize("step", RANDOM, ids=repr)
def test_draws_belong_to_the_sample_and_the_epoch(step):
    whole = apply(step, PICTURES)
    part = T.Compose(step)((PICTURES[[4, 1]],), batch([4, 1]))[0]
    assert np.array_equal(part, whole[[4, 1]])
    assert any(not np.array_equal(apply(step, PICTURES, epoch=e), whole) for e in (1, 2))
    assert any(not np.array_equal(apply(step, PICTURES, seed=s), whole) for s in (2, 3))
    assert apply(step, PICTURES[:0]).shape[0] == 0


@pytest.mark.parametrize("step", RANDOM, ids=repr)
def test_evaluation_is_not_random(step):
    quiet = apply(step, PICTURES, training=False)
    assert np.array_equal(quiet, apply(step, PICTURES, training=False, epoch=5))
    if not isinstance(step, T.RandomCrop | T.RandomResizedCrop):
        assert np.array_equal(quiet, PICTURES)


@pytest.mark.parametrize("step", [*RANDOM, T.Resize((4, 4)), T.CenterCrop((4, 4)), T.Normalize(0.5, 0.2)], ids=repr)
def test_pictures_of_one_size_or_as_objects_are_the_same(step):
    one, several = apply(step, PICTURES), apply(step, objects(list(PICTURES)))
    assert several.dtype == one.dtype
    assert np.array_equal(one, several)


def test_decoding_gives_the_pixels_and_refuses_what_is_none():
    assert np.array_equal(apply(T.Decode(), objects([encoded(p) for p in PICTURES])), PICTURES)
    grey = apply(T.Decode("L"), objects([encoded(PICTURES[0][..., :1])]))
    assert np.array_equal(grey, PICTURES[:1, ..., :1])
    mixed = apply(T.Decode(), objects([encoded(PICTURES[0]), encoded(PICTURES[1][:4])]))
    assert mixed.dtype == object and mixed[1].shape == (4, 10, 3)
    for bad in (b"", b"no picture", encoded(PICTURES[0])[:60]):
        with pytest.raises(DataError, match=rf"row 1 \({len(bad)} bytes\) cannot be read"):
            apply(T.Decode(), objects([encoded(PICTURES[0]), bad]))
    with pytest.raises(DataError, match="10 x 8 pixels; at most 50"):
        apply(T.Decode(most=50), objects([encoded(PICTURES[0])]))
    with pytest.raises(DataError, match="takes encoded files"):
        apply(T.Decode(), PICTURES)


def test_the_orientation_mark_is_followed():
    picture = Image.fromarray(PICTURES[0])
    exif = picture.getexif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    out = io.BytesIO()
    picture.save(out, "PNG", exif=exif)
    assert np.array_equal(apply(T.Decode(), objects([out.getvalue()]))[0], np.rot90(PICTURES[0], -1))


def test_resize_is_pillows():
    expected = np.asarray(Image.fromarray(PICTURES[0]).resize((5, 4), Image.Resampling.BILINEAR))
    assert np.array_equal(apply(T.Resize((4, 5)), PICTURES)[0], expected)
    assert apply(T.Resize(4), PICTURES).shape == (6, 4, 5, 3)
    five = np.concatenate([PICTURES, PICTURES[..., :2]], axis=3)
    planes = apply(T.Resize((4, 5)), five)[0, ..., :3]  # Pillow rounds between its two passes, here only at the end
    assert np.abs(planes.astype(int) - expected).max() <= 1
    assert apply(T.Resize((4, 5)), PICTURES.astype(np.float32)).dtype == np.float32


def test_crops_are_parts_of_the_picture():
    assert np.array_equal(apply(T.CenterCrop((4, 6)), PICTURES), PICTURES[:, 2:6, 2:8])
    small = apply(T.CenterCrop(12), PICTURES)
    assert np.array_equal(small[:, 2:10, 1:11], PICTURES) and small.sum() == PICTURES.astype(int).sum()
    padded = np.pad(PICTURES, [(0, 0), (2, 2), (2, 2), (0, 0)])
    for image, cropped in zip(padded, apply(T.RandomCrop((6, 6), padding=2), PICTURES), strict=True):
        assert any(np.array_equal(image[i : i + 6, j : j + 6], cropped) for i in range(7) for j in range(9))
    assert np.array_equal(apply(T.RandomCrop((8, 10), padding=4), PICTURES, training=False), PICTURES)
    assert apply(T.RandomResizedCrop(7), PICTURES).shape == (6, 7, 7, 3)
    assert np.array_equal(apply(T.RandomResizedCrop((8, 10)), PICTURES, training=False), PICTURES)


def test_random_places_are_uniform():
    x = np.arange(4, dtype=np.uint8).reshape(1, 1, 4, 1).repeat(4000, axis=0)
    places = np.bincount(apply(T.RandomCrop((1, 1)), x).ravel(), minlength=4)
    assert np.abs(places - 1000).max() < 5 * np.sqrt(750)
    flipped = apply(T.RandomFlip(0.25), x)[:, 0, 0, 0] == 3
    assert abs(flipped.sum() - 1000) < 5 * np.sqrt(750)


def test_flip_mirrors():
    assert np.array_equal(apply(T.RandomFlip(1.0), PICTURES), PICTURES[:, :, ::-1])
    assert np.array_equal(apply(T.RandomFlip(1.0, "height"), PICTURES), PICTURES[:, ::-1])


def test_colour_jitter_keeps_what_it_should():
    grey = PICTURES[..., :1].repeat(3, axis=3)
    assert np.array_equal(apply(T.ColorJitter(saturation=0.9), grey), grey)
    assert np.array_equal(apply(T.ColorJitter(hue=0.5), grey), grey)
    assert np.array_equal(apply(T.ColorJitter(), PICTURES), PICTURES)
    flat = np.full((4, 2, 2, 3), 100, np.uint8)
    assert np.array_equal(apply(T.ColorJitter(contrast=0.9), flat), flat)
    bright = apply(T.ColorJitter(brightness=0.5), flat)[:, 0, 0, 0]
    assert bright.min() >= 50 and bright.max() <= 150 and len(set(bright)) > 1
    with pytest.raises(DataError, match="takes RGB pictures, got 1 channels"):
        apply(T.ColorJitter(0.1), PICTURES[..., :1])


@pytest.mark.parametrize(("what", "place"), [("Brightness", 0), ("Contrast", 1), ("Color", 2)])
def test_colour_jitter_is_pillows_enhancement_by_the_drawn_factor(what, place):
    enhance = getattr(pytest.importorskip("PIL.ImageEnhance"), what)
    argument = {"Color": "saturation"}.get(what, what.lower())
    factors = 1 + 0.6 * (2 * compose.Draw(batch(range(6)), 0).uniform(4)[:, place] - 1)
    done = apply(T.ColorJitter(**{argument: 0.6}), PICTURES)
    for picture, factor, found in zip(PICTURES, factors, done, strict=True):
        expected = np.asarray(enhance(Image.fromarray(picture)).enhance(factor))
        assert np.abs(found.astype(int) - expected).max() <= 1  # Pillow rounds greys, and cuts off where we round


def test_hue_is_turned_around_the_grey_axis():
    """Luma stays, chroma turns by the drawn angle: against the sums of the YIQ standard (FCC 1953), written out."""
    x = RNG.integers(90, 140, (6, 4, 4, 3)).astype(np.uint8)  # nothing is cut off at 0 or 255
    angle = 2 * np.pi * 0.3 * (2 * compose.Draw(batch(range(6)), 0).uniform(4)[:, 3] - 1)

    def chroma(rgb):
        r, g, b = np.moveaxis(rgb.astype(float), -1, 0)
        return (0.5959 * r - 0.2746 * g - 0.3213 * b) + 1j * (0.2115 * r - 0.5227 * g + 0.3112 * b)

    done = apply(T.ColorJitter(hue=0.3), x)
    luma = [0.299, 0.587, 0.114]
    assert np.abs(done @ luma - x @ luma).max() < 1
    assert np.abs(chroma(done) - chroma(x) * np.exp(1j * angle)[:, None, None]).max() < 1


def test_cutout_makes_one_square():
    x = np.ones((50, 9, 9, 1), np.uint8)
    done = apply(T.Cutout(3), x)
    holes = 81 - done.sum(axis=(1, 2, 3))
    assert set(holes) <= {4, 6, 9} and 9 in holes
    assert x.all()  # the feed's rows are not touched


def test_normalize_and_layout():
    done = apply(T.Normalize([0.1, 0.2, 0.3], [0.5, 0.6, 0.7]), PICTURES)
    expected = (PICTURES / 255 - np.array([0.1, 0.2, 0.3])) / np.array([0.5, 0.6, 0.7])
    assert done.dtype == np.float32 and np.allclose(done, expected, atol=1e-6)
    first = apply(T.ChannelsFirst(), PICTURES)
    assert first.shape == (6, 3, 8, 10) and np.array_equal(apply(T.ChannelsLast(), first), PICTURES)
    assert apply(T.Normalize(0, 1), PICTURES[..., 0]).shape == (6, 8, 10, 1)


def test_text_to_numbers():
    texts = ["The cat sat.", "the dog, the CAT", ""]
    words = T.Vocabulary.of(texts, most=3)
    assert words.tokens == ["the", "cat", ","]
    assert len(words) == 5
    steps = T.Compose(T.Tokenize(), words, T.Pad(5))
    (numbers,) = steps((objects([text.encode() for text in texts]),), batch(range(3)))
    assert numbers.tolist() == [[2, 3, 1, 1, 0], [2, 1, 4, 2, 3], [0, 0, 0, 0, 0]]
    assert T.Pad(2, keep="last")(objects([[1, 2, 3], [4]]), None).tolist() == [[2, 3], [4, 0]]
    assert T.Pad(3, side="before", value=9)(objects([[1, 2]]), None).tolist() == [[9, 1, 2]]
    assert T.Tokenize(r"(?s).", lower=False).tokens("aB\n") == ["a", "B", "\n"]
    with pytest.raises(DataError, match="not UTF-8"):
        T.Tokenize().tokens(b"\xff\xfe")


def test_vocabularies_are_saved_and_loaded(tmp_path):
    words = T.Vocabulary(["ä", "b"])
    words.save(tmp_path / "words.json")
    assert T.Vocabulary.load(tmp_path / "words.json").tokens == words.tokens
    (tmp_path / "bad.json").write_text('{"tokens": [1]}')
    with pytest.raises(FormatError, match="not a vocabulary"):
        T.Vocabulary.load(tmp_path / "bad.json")


def test_vocabulary_of_a_frame(local):
    df = local.createDataFrame([(text,) for text in ["a b b", "b c", None, "c c c d"]], "text string").repartition(2)
    assert T.Vocabulary.of_frame(df, "text", least=2).tokens == ["c", "b"]
    with pytest.raises(DataError, match="no column 'x'"):
        T.Vocabulary.of_frame(df, "x")


def test_a_feed_applies_its_transform_by_sample_and_hands_out_the_models_dtype():
    transform = T.Compose(T.RandomFlip(), T.Normalize(0.5, 0.25), T.ChannelsFirst())
    feed = ArrayFeed(PICTURES, np.arange(6), transform=transform, dtype=np.float64)
    plan = EpochPlan(feed.counts, 4, seed=3, epoch=1)
    parts = [feed.rows(plan.batch(step)) for step in range(plan.steps)]
    whole = feed.rows(EpochPlan(feed.counts, 6, seed=3, epoch=1).batch(0))
    found = {int(t): x for part in parts for x, t in zip(part.inputs[0], part.target, strict=True)}
    for x, t in zip(whole.inputs[0], whole.target, strict=True):
        assert np.array_equal(found[int(t)], x)
    assert whole.inputs[0].dtype == np.float64 and whole.inputs[0].shape == (6, 3, 8, 10)
    feed.agree([feed.shapes])
    empty = feed.rows(batch([]))
    assert empty.inputs[0].shape == (0, 3, 8, 10) and empty.target.shape == (0,)


def test_several_inputs_are_transformed_apart():
    transform = T.Compose(T.Normalize(0, 1)) | T.Compose(T.Pad(3), input=1)
    feed = ArrayFeed((PICTURES, np.arange(6)[:, None]), transform=transform)
    rows = feed.rows(batch(range(6)))
    assert rows.inputs[0].max() <= 1 and rows.inputs[1].shape == (6, 3)
    second = "Compose(Pad(3, value=0, keep='first', side='after'), input=1)"
    assert repr(transform) == f"Compose(Normalize([0.0], [1.0])) | {second}"
    with pytest.raises(IndexError, match="the rows have 1 inputs"):
        T.Compose(T.Pad(3), input=1)((PICTURES,), batch(range(6)))


def test_text_or_files_without_a_transform_are_an_error():
    feed = ArrayFeed(np.array([b"a", b"b"], object))
    with pytest.raises(DataError, match="Input 0 is not an array of numbers .* give a transform"):
        feed.rows(batch([0, 1]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: T.Compose(5), "steps that can be called"),
        (lambda: T.Decode("CMYK"), "RGB"),
        (lambda: T.Resize(0), "size must be"),
        (lambda: T.RandomCrop(3, padding=-1), "padding"),
        (lambda: T.RandomResizedCrop(3, scale=(0, 1)), "scale"),
        (lambda: T.RandomFlip(2), "0 <= p <= 1"),
        (lambda: T.ColorJitter(hue=0.6), "hue at most 0.5"),
        (lambda: T.Cutout(0), "at least 1"),
        (lambda: T.Normalize(0, 0), "std must be > 0"),
        (lambda: T.Pad(0), "length >= 1"),
        (lambda: T.Vocabulary(["a", "a"]), "twice"),
    ],
)
def test_impossible_arguments_say_so(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


def test_draws_of_different_steps_are_independent():
    a, b = (compose.Draw(batch(range(2000)), key).uniform() for key in (0, 1))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.1
