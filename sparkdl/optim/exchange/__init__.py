"""How and when tasks share gradients and weights."""

from sparkdl._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "base": ["Costs", "Exchange"],
        "member": ["Member"],
        "allreduce": ["AllReduce"],
        "local": ["Local"],
        "cost": ["bytes_per_step"],
    },
)
