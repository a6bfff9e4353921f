"""The generated machine code: every accumulator stays in its register."""

import re

import pytest

from sparkdl.kernel import _best_isa
from sparkdl.nn.kernels import depthwise_lanes, lanes, microkernel, norm_lanes, tree_tile, winograd_tiles

HERE = microkernel.ROWS.keys() if _best_isa() == "avx512" else ["plain", _best_isa()]


def loops(body):
    """The basic blocks of a function that end with a jump back to their own start."""
    blocks = re.split(r"^(\.LBB\w+):", body, flags=re.M)
    for name, text in zip(blocks[1::2], blocks[2::2], strict=True):
        jump = re.search(rf"\tj\w+\t{re.escape(name)}\b", text)
        if jump:
            yield text[: jump.end()]


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("kind", ["f32", "f64", "tree"])
def test_no_tile_spills_vectors_in_its_inner_loop(isa, kind):
    text = tree_tile.assembly(isa) if kind == "tree" else microkernel.assembly(isa, kind)
    found = re.findall(r"^(sparkdl_tile_\w+):(.*?)^\.Lfunc_end", text, re.S | re.M)
    assert len(found) >= sum(map(len, microkernel.ROWS[isa].values())) * (2 if kind == "tree" else 1)
    register = {"avx512": "zmm", "avx2": "ymm", "plain": "xmm"}[isa]
    for name, body in found:
        if isa == "plain" and not name.endswith("_full"):
            continue  # without masks in hardware, incomplete vectors are taken apart
        inner = [loop for loop in loops(body) if re.search(r"\tv?(fmadd|mul)\w*p[sd]", loop)]
        assert inner, name
        for loop in inner:
            spilled = re.findall(rf"\tv?mov\w+\t.*(?:%rsp\)?.*%{register}|%{register}\d+, .*%rsp).*", loop)
            assert not spilled, (name, spilled)


def looped(body):
    """The basic blocks of a function that some jump leads back over."""
    blocks = re.split(r"^(\.LBB\w+):", body, flags=re.M)
    names, texts = blocks[1::2], blocks[2::2]
    inside = set()
    for k, text in enumerate(texts):
        for target in re.findall(r"\tj\w+\t(\.LBB\w+)", text):
            if target in names[: k + 1]:
                inside.update(range(names.index(target), k + 1))
    return "".join(texts[k] for k in sorted(inside))


# With 16 registers the constants of these transforms do not fit beside a row of six sums; without fused
# multiply-adds (plain) products take registers too. How many vectors go to the stack at most:
FEW_REGISTERS = {
    ("avx2", "sparkdl_winograd_output_f32"): 1, ("plain", "sparkdl_winograd_weights_back_f32"): 5,
    ("plain", "sparkdl_winograd_output_f32"): 9,
}  # fmt: skip


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize(
    ("module", "kinds", "count"),
    [(winograd_tiles, ["f32"], 5), (depthwise_lanes, ["f32", "f64"], 2), (norm_lanes, ["f32", "f64"], 7),
     (lanes, ["f32", "f64"], 3)],
    ids=["winograd", "depthwise", "norm", "lanes"],
)  # fmt: skip
def test_no_other_kernel_stores_a_vector_on_the_stack_in_a_loop(isa, module, kinds, count):
    for kind in kinds:
        made = module.build(isa) if kinds == ["f32"] else module.build(isa, kind)
        text = microkernel._target(isa).emit_assembly(microkernel.compile_module(isa, made))
        found = re.findall(r"^(sparkdl_\w+):(.*?)^\.Lfunc_end", text, re.S | re.M)
        assert len(found) == count
        for name, body in found:
            loop = looped(body)
            assert re.search(r"%[xyz]mm", loop), name
            spilled = re.findall(r"\tv?mov\w+\t%[xyz]mm\d+, \S*\(%rsp.*", loop)
            assert len(spilled) <= FEW_REGISTERS.get((isa, name), 0), (name, spilled)


def test_objects_are_kept_and_loaded_again(tmp_path, monkeypatch):
    from sparkdl import kernelcache

    monkeypatch.setattr(kernelcache, "folder", lambda: tmp_path)
    build = lambda: microkernel.build(microkernel.isa(), "f32")  # noqa: E731
    source = microkernel.__name__
    first = microkernel.load_object("probe", microkernel.isa(), build, source)
    (kept,) = tmp_path.glob("probe-*.o")
    assert first.keys() == {"sparkdl_block_f32", "sparkdl_transpose_f32"}
    again = microkernel.load_object("probe", microkernel.isa(), lambda: pytest.fail("compiled twice"), source)
    assert again.keys() == first.keys()
    assert kept.stat().st_mode & 0o077 == 0
