"""Kernels as machine code: compiled once by numba, linked ever after without it.

A kernel is a plain function of float64 arrays and numbers that writes its results into arrays
it is given. The first call on a machine has numba compile it and stores the object file; every
later process links that file, which takes milliseconds where importing numba takes most of a
second. The folder of the object files is named by a hash of every source file in this chapter,
of the compiler's version and of the processor, so an edit anywhere is followed, in a callee as
well. Another chapter keeps its kernels, and whatever they call outside this one, in modules
named ``*_kernels``; they are hashed too. Kernels hold no lock: once linked, calls from several
threads run at once.

A kernel may not allocate, raise or print, and calls only functions marked `inlined`, by their
bare names. ``kernel.plain`` is the function itself, for the interpreter: a slow twin.
"""

import ctypes
import hashlib
import os
import struct
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from threading import RLock
from types import FunctionType
from typing import Any, TypeVar

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Plain = TypeVar("Plain", bound=Callable[..., Any])

_HERE = Path(__file__).resolve().parent
# What machine code may call by itself: the C library. All else would need numba beside it.
_C_LIBRARY = set("memset memcpy memmove sqrt exp log log1p expm1 erf erfc pow".split())
_FLOAT64 = np.dtype(np.float64)
_DIGEST = hashlib.sha256().digest_size
_LINKING = RLock()  # numba fails where two threads import it, or compile, at once


class UnfitKernel(TypeError):
    """A kernel that asks for more than arithmetic on its arguments; the message says what."""


class Kernel:
    """A function of one-dimensional float64 arrays and numbers, run as machine code."""

    def __init__(self, plain: Callable[..., None]) -> None:
        self.plain = plain
        self.__doc__ = plain.__doc__
        self._kinds = tuple(_kind(plain, name) for name in _arguments(plain))
        self._entry: Callable[..., int] | None = None
        self._sources = _sources_of(Path(plain.__code__.co_filename).resolve())

    def __call__(self, *arguments: Any) -> None:
        """Run on the arguments, in the plain function's order.

        Raises
        ------
        TypeError
            If an array is not one-dimensional, contiguous and float64: machine code looks at
            nothing but addresses.
        ValueError
            If the number of arguments differs.
        """
        entry = self._entry or self._linked()
        passed: list[Any] = []
        for kind, argument in zip(self._kinds, arguments, strict=True):
            if kind is Floats:
                passed += _address_and_size(argument)
            else:
                passed.append(argument)
        if entry(_UNUSED, _UNUSED, *passed):
            raise UnfitKernel(f"{self.symbol} raised: a kernel may not")

    @property
    def symbol(self) -> str:
        """The name under which it is stored and linked."""
        return f"{self.plain.__module__.rpartition('.')[2]}_{self.plain.__name__}"

    def assembly(self) -> str:
        """The assembly that numba makes of it on this machine, compiled anew."""
        return str(_library(self).get_asm_str())

    def _linked(self) -> Callable[..., int]:
        with _LINKING:
            if self._entry is None:
                address = _address(self.symbol, _stored_or_compiled(self))
                passed = [ctypes.c_void_p, ctypes.c_void_p, *_c_types(self._kinds)]
                self._entry = ctypes.CFUNCTYPE(ctypes.c_int32, *passed)(address)
            return self._entry


def compiled(plain: Callable[..., None]) -> Kernel:
    """Makes a kernel of a function whose every argument is annotated Floats, float or int.

    >>> @compiled
    ... def doubled(numbers: Floats, out: Floats) -> None:
    ...     for i in range(out.size):
    ...         out[i] = 2.0 * numbers[i]
    >>> out = np.empty(2)
    >>> doubled(np.array([1.0, 2.5]), out)
    >>> out
    array([2., 5.])
    """
    return Kernel(plain)


def inlined(plain: Plain) -> Plain:
    """Marks a function of numbers that becomes part of every kernel that names it."""
    plain.__dict__["becomes_inline"] = True
    return plain


@inlined
def bits_of(number: float) -> int:
    """The 64 bits of a float64, as a signed integer.

    >>> hex(bits_of(1.0))
    '0x3ff0000000000000'
    """
    return int(struct.unpack("<q", struct.pack("<d", number))[0])


@inlined
def float_of(bits: int) -> float:
    """The float64 that 64 bits, as a signed integer, stand for.

    >>> float_of(0x3FF8000000000000)
    1.5
    """
    return float(struct.unpack("<d", struct.pack("<q", bits))[0])


def _arguments(plain: Callable[..., None]) -> tuple[str, ...]:
    return plain.__code__.co_varnames[: plain.__code__.co_argcount]


def _kind(plain: Callable[..., None], name: str) -> Any:
    kind = plain.__annotations__.get(name)
    if kind not in (Floats, float, int):
        raise UnfitKernel(f"{plain.__name__}: {name} must be Floats, float or int, got {kind}")
    return kind


def _c_types(kinds: tuple[Any, ...]) -> list[Any]:
    passed: list[Any] = []
    for kind in kinds:
        if kind is Floats:
            passed += [ctypes.c_void_p, ctypes.c_int64]
        else:
            passed.append(ctypes.c_double if kind is float else ctypes.c_int64)
    return passed


def _address_and_size(array: Floats) -> tuple[int, int]:
    if array.dtype != _FLOAT64 or array.ndim != 1 or not array.flags.c_contiguous:
        raise TypeError("a kernel takes one-dimensional contiguous float64 arrays only")
    try:  # a fifth of the time of the general way, which a kernel of thirty arrays feels
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data)), array.size
    except (TypeError, ValueError):  # read-only, or empty
        return array.ctypes.data, array.size


# --- the cache: one object file a kernel, in a folder that names what it was made from


def _stored_or_compiled(kernel: Kernel) -> bytes:
    if kernel._sources is None:
        return _object_file(kernel)  # the key knows nothing of sources elsewhere
    files = [folder / f"{kernel.symbol}.o" for folder in _folders(kernel._sources)]
    for file in files:
        if stored := _unharmed(file):
            return stored
    made = _object_file(kernel)
    next((file for file in files if _is_stored(file, made)), None)
    return made


def _folders(sources: str) -> list[Path]:
    """Beside the bytecode or, where that can't be written, in the user's cache folder."""
    told = os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache")
    kept = [Path(folder) / "dollarbill" for folder in told if os.path.isabs(folder)]
    name = f"kernels-{_key(sources)}"
    return [folder / name for folder in (_HERE / "__pycache__", *kept[:1])]


def _key(sources: str) -> str:
    """A hash of all that the machine code depends on."""
    told = hashlib.sha256(sources.encode())
    features = llvm.get_host_cpu_features().flatten()
    for part in (metadata.version("numba"), llvm.get_host_cpu_name(), features):
        told.update(part.encode() + b"\0")
    return str(told.hexdigest())[:16]


def _sources_of(file: Path) -> str | None:
    """A hash of the sources that a kernel in ``file`` is made from; None where unknown."""
    if file.parent == _HERE:
        return _hash_of_sources(_HERE, "*.py")
    if file.parent.parent == _HERE.parent and file.stem.endswith("_kernels"):
        return _SOURCES + _hash_of_sources(file.parent, "*_kernels.py")
    return None


@cache
def _hash_of_sources(folder: Path, names: str) -> str:
    """Taken as its first kernel is imported: a later edit is not what this process runs."""
    told = hashlib.sha256()
    for source in sorted(folder.glob(names)):
        told.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return told.hexdigest()


_SOURCES = _hash_of_sources(_HERE, "*.py")  # as this module is imported


def _unharmed(file: Path) -> bytes:
    """The object file, or nothing where there is none or it is not what was written."""
    try:
        stored = file.read_bytes()
    except OSError:
        return b""
    body = stored[_DIGEST:]
    return body if hashlib.sha256(body).digest() == stored[:_DIGEST] else b""


def _is_stored(file: Path, made: bytes) -> bool:
    """Written whole or not at all, whoever else writes it at the same time."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, half = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "wb") as opened:
            opened.write(hashlib.sha256(made).digest() + made)
        os.replace(half, file)
    except OSError:
        return False
    return True


# --- linking: needs llvmlite only

_linkers: list[Any] = []  # kept, or their code would be freed
# Where numba's calling convention would put a result or an exception.
_UNUSED = ctypes.addressof(_unused := ctypes.c_int64())


def _address(symbol: str, object_file: bytes) -> int:
    """Where the kernel's code starts, once its object file is linked."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    linker = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    linker.add_object_file(llvm.object_file.ObjectFileRef.from_data(object_file))
    linker.finalize_object()
    _linkers.append(linker)
    return int(linker.get_function_address(symbol))


# --- compiling: the only part that imports numba


def _object_file(kernel: Kernel) -> bytes:
    library = _library(kernel)
    return bytes(library._codegen._tm.emit_object(library._final_module))


def _library(kernel: Kernel) -> Any:
    """Numba's compiled library, its one function renamed to the kernel's symbol."""
    from numba.core import compiler, types
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    flags = compiler.Flags()
    cpu_target.options.parse_as_flags(flags, {"nopython": True} | _options(forceinline=False))
    passed: list[Any] = []
    for kind in kernel._kinds:
        number = types.int64 if kind is int else types.float64
        passed += [types.CPointer(number), types.int64] if kind is Floats else [number]
    contexts = cpu_target.typing_context, cpu_target.target_context
    made = compiler.compile_extra(*contexts, _entry(kernel), passed, types.void, flags, {})
    with global_compiler_lock:
        made.library._ensure_finalized()
    module = made.library._final_module
    _require_alone(kernel, [each.name for each in module.functions if each.is_declaration])
    module.get_function(made.fndesc.llvm_func_name).name = kernel.symbol
    return made.library


def _require_alone(kernel: Kernel, called: list[str]) -> None:
    foreign = {name for name in called if not name.startswith("llvm.")} - _C_LIBRARY
    if foreign:
        raise UnfitKernel(f"{kernel.symbol} calls {sorted(foreign)}: only arithmetic will link")


def _options(forceinline: bool) -> dict[str, Any]:
    return {
        "error_model": "numpy",
        "fastmath": {"contract"},  # fused multiply-adds; nothing else is reordered
        "forceinline": forceinline,
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
        "_nrt": False,  # no allocation
    }


def _entry(kernel: Kernel) -> Callable[..., None]:
    """The kernel behind addresses and sizes, as numba is to compile it."""
    given, taken = [], []
    for number, kind in enumerate(kernel._kinds):
        given += [f"a{number}", f"n{number}"] if kind is Floats else [f"x{number}"]
        taken.append(f"array_at(a{number}, n{number})" if kind is Floats else f"x{number}")
    text = f"def entry({', '.join(given)}):\n    body({', '.join(taken)})\n"
    array_at, made = _intrinsics()
    names = {"body": _jitted(kernel.plain, made), "array_at": array_at}
    exec(text, names)
    entry: Callable[..., None] = names["entry"]
    return entry


def _jitted(plain: Callable[..., Any], made: dict[Any, Any]) -> Any:
    """Numba's form of a function, the inlined functions that it names first."""
    if plain in made:
        return made[plain]
    from numba import njit

    named = {name: plain.__globals__.get(name) for name in plain.__code__.co_names}
    inner = {
        name: _jitted(each, made)
        for name, each in named.items()
        if each is not None and getattr(each, "becomes_inline", False)
    }
    body = FunctionType(plain.__code__, plain.__globals__ | inner, plain.__name__)
    made[plain] = njit(**_options(forceinline=True))(body)
    return made[plain]


def _intrinsics() -> tuple[Any, dict[Any, Any]]:
    """An array at an address, and the two bit casts."""
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic
    from numba.np import arrayobj

    @intrinsic
    def array_at(_: Any, address: Any, size: Any) -> Any:
        kind = types.Array(types.float64, 1, "C")

        def generated(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            array = context.make_array(kind)(context, builder)
            step = context.get_constant(types.intp, 8)
            shape = {"shape": [arguments[1]], "strides": [step], "itemsize": step}
            arrayobj.populate_array(array, data=arguments[0], meminfo=None, **shape)
            return array._getvalue()

        return kind(address, size), generated

    @intrinsic
    def bits(_: Any, number: Any) -> Any:
        def generated(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], ir.IntType(64))

        return types.int64(types.float64), generated

    @intrinsic
    def number(_: Any, bits: Any) -> Any:
        def generated(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], ir.DoubleType())

        return types.float64(types.int64), generated

    return array_at, {bits_of: bits, float_of: number}
