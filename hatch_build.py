"""Compiles the door to Spark's block manager when a wheel, or an editable install, is built."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DoorBuildHook(BuildHookInterface):
    """Runs sparkdl/blockmanager/bridge/build.py, which needs a JDK and pyspark's jars."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        path = Path(self.root, "sparkdl", "blockmanager", "bridge", "build.py")
        spec = importlib.util.spec_from_file_location("sparkdl_bridge_build", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.build()
