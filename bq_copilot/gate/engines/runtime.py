"""Loads Google's analyzer (WebAssembly, from the `zetasql` package) and calls it.

Decides where the compiled module is kept and when it may be used. Compiling takes up to a minute, so it happens once,
at set-up, in `warm`; a process that finds no compiled module does not compile one, it says so. A compiled module is
machine code: it is only read from a file that belongs to this user and that nobody else can write.
"""

from __future__ import annotations

import ctypes
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from bq_copilot.gate.engines import messages
from bq_copilot.gate.port import EngineMissing, EngineRefusal

Answer = TypeVar("Answer", bound=Message)
CACHE_VARIABLE = "BQ_COPILOT_CACHE"


def cache_file() -> Path:
    """Return where the compiled module of this machine and these versions lives."""
    home = os.environ.get(CACHE_VARIABLE) or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    name = f"zetasql-{_version('zetasql')}-wasmtime-{_version('wasmtime')}-{platform.machine()}.cwasm"
    return Path(home) / "bq-copilot" / name


def warm() -> Path:
    """Compile the analyzer if it is not compiled yet and return the file; raises `EngineMissing`."""
    target = cache_file()
    if _usable(target):
        return target
    try:
        from wasmtime import Module  # noqa: PLC0415

        module: Any = Module
        compiled: Any = module.from_file(_engine(), messages.load("wasi").get_wasm_path()).serialize()
    except (ImportError, OSError) as error:
        raise EngineMissing(f"zetasql cannot be loaded: {error}") from error
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_bytes(bytes(compiled))
    partial.replace(target)
    return target


class Runtime:
    """One instance of the analyzer; single-threaded, and unusable after a trap."""

    def __init__(self) -> None:
        self.alive = True
        try:
            self._exports, self._store = _instance(cache_file())
        except ImportError as error:
            raise EngineMissing("the zetasql package is not installed") from error
        self._memory: Any = self._exports["memory"]

    def call(self, name: str, request: Message, answer: type[Answer]) -> Answer:
        """Call one function of the analyzer; raises `EngineRefusal` with its reason."""
        from wasmtime import Trap, WasmtimeError  # noqa: PLC0415

        try:
            return answer.FromString(self._raw(name, request.SerializeToString()))
        except (Trap, WasmtimeError) as error:
            self.alive = False
            raise EngineRefusal("the analyzer stopped") from error
        except DecodeError as error:
            raise EngineRefusal("the analyzer's answer is unreadable") from error

    def _raw(self, name: str, data: bytes) -> bytes:
        space = self._call("wasm_malloc", len(data) + 4)
        try:
            self._write(space + 4, data)
            at = self._call(name, space + 4, len(data), space)
            if at == 0:
                raise EngineRefusal(self._last_error())
            size = int.from_bytes(self._read(space, 4), "little")
            answer = self._read(at, size)
            self._call("wasm_free", at)
            return answer
        finally:
            if self.alive:
                self._call("wasm_free", space)

    def _last_error(self) -> str:
        size = self._call("wasm_get_last_error_size")
        text = self._read(self._call("wasm_get_last_error"), size).decode("utf-8", "replace")
        return text.split("Message: ", 1)[-1].strip("\x00").strip()

    def _call(self, name: str, *arguments: int) -> int:
        return self._exports[name](self._store, *arguments) or 0

    def _base(self) -> int:
        return ctypes.addressof(self._memory.data_ptr().contents)

    def _write(self, at: int, data: bytes) -> None:
        ctypes.memmove(self._base() + at, data, len(data))

    def _read(self, at: int, size: int) -> bytes:
        return ctypes.string_at(self._base() + at, size)


def _instance(path: Path) -> tuple[Any, Any]:
    import tzdata  # noqa: PLC0415
    from wasmtime import Linker, Module, Store, WasiConfig, WasmtimeError  # noqa: PLC0415

    if not _usable(path):
        raise EngineMissing("its compiled module is not there; run set-up")
    try:
        engine = _engine()
        module = Module.deserialize_file(engine, str(path))
        store = Store(engine)
        wasi = WasiConfig()
        zones = Path(str(tzdata.__file__)).parent / "zoneinfo"
        wasi.preopen_dir(str(zones), "/usr/share/zoneinfo")
        store.set_wasi(wasi)
        linker = Linker(engine)
        linker.define_wasi()
        exports: Any = linker.instantiate(store, module).exports(store)
        if "_initialize" in exports:
            exports["_initialize"](store)
        return exports, store
    except (WasmtimeError, OSError) as error:
        raise EngineMissing("its compiled module does not load; run set-up again") from error


def _engine() -> Any:
    from wasmtime import Config, Engine  # noqa: PLC0415

    config = Config()
    config.shared_memory = True
    return Engine(config)


def _usable(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_size > 0 and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
