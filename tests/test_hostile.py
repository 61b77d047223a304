"""Whatever is passed in ends in an exception, or in a call that stays within its arrays; never in a signal.

Reference: the exceptions that the tables below name; tolerance: none. Each case runs in a process of its own that a
signal would end. The names with an underscore are private, and still safe for every array that owns its memory.
"""

from __future__ import annotations

from support import run_python

SETUP = """
    import copy, mmap, pickle
    import numpy as np
    from pwconv import Conv1x1, _core, conv1x1, set_num_threads

    INF = float("inf")
    x, weight, bias = np.ones((4, 6, 6), "f4"), np.ones((6, 4), "f4"), np.zeros(6, "f4")
    big = np.ones((64, 60, 60), "f4")

    def layer(weight=weight, bias=None, stride=(1, 1), groups=1, last=False, bounds=(-INF, INF), config={}):
        return _core.Layer(weight, bias, stride, groups, last, bounds, config)

    def empty(*shape, dtype="f4"):
        return np.empty(shape, dtype)

    def run(x=x, residual=None, out=None, threads=None, layer=Conv1x1(weight)):
        return layer._run(x, residual, empty(6, 6, 6) if out is None else out, threads)

    class Liar(np.ndarray):
        '''An array that names a shape, strides, a dtype and flags that are not its own.'''
        shape = property(lambda self: (6, 6, 6))
        strides = property(lambda self: (144, 24, 4))
        dtype = property(lambda self: np.dtype("f4"))
        ndim, size, itemsize, nbytes = 3, 216, 4, 864
        flags = property(lambda self: empty(1).flags)
        def __len__(self): return 6
        def __array__(self, *args, **more): return empty(6, 6, 6)
        def __array_finalize__(self, other): pass
        def view(self, *args): return empty(6, 6, 6)

    def liar(*shape, dtype="f4"):
        return np.ndarray.__new__(Liar, shape, dtype)

    class Fickle:
        '''An integer that is another one each time, and does something on the way.'''
        def __init__(self, *values, then=lambda: None):
            self.values, self.then = list(values), then
        def __index__(self):
            self.then()
            return self.values.pop(0) if len(self.values) > 1 else self.values[0]
        __int__ = __index__
        def __float__(self):
            return float(self.__index__())

    def grow(array, *shape):
        array.resize(shape, refcheck=False)
"""

# code: what it must raise
REFUSED = {
    # the layer of the core
    "layer(groups=0)": "ValueError",
    "layer(groups=-1)": "ValueError",
    "layer(groups=4)": "ValueError",
    "layer(groups=2**62)": "ValueError",
    "layer(empty(0, 3), groups=2**62)": "ValueError",
    "layer(groups=2**70)": "OverflowError",
    "layer(groups=1.5)": "TypeError",
    "layer(stride=(0, 1))": "ValueError",
    "layer(stride=(1, -1))": "ValueError",
    "layer(stride=(1,))": "ValueError",
    "layer(stride=(1, 1, 1))": "ValueError",
    "layer(stride=(-2**70, 1))": "OverflowError",
    "layer(stride=('1', '1'))": "TypeError",
    "layer(stride=[1, 1])": "TypeError",
    "layer(stride=None)": "TypeError",
    "layer(weight[0])": "ValueError",
    "layer(weight[None])": "ValueError",
    "layer(weight[0, 0])": "TypeError",
    "layer(weight.reshape(24)[:1].reshape(()))": "ValueError",
    "layer(None)": "TypeError",
    "layer(weight.tolist())": "TypeError",
    "layer(weight.astype(object))": "ValueError",
    "layer(weight.astype('c8'))": "ValueError",
    "layer(weight.astype('i8'))": "ValueError",
    "layer(weight.astype('f2'))": "ValueError",
    "layer(weight.astype('g'))": "ValueError",
    "layer(weight.astype('>f4'))": "ValueError",
    "layer(weight.astype('V8'))": "ValueError",
    "layer(bias=bias[:5])": "ValueError",
    "layer(bias=bias[:0])": "ValueError",
    "layer(bias=bias[None])": "ValueError",
    "layer(bias=bias.astype('f8'))": "ValueError",
    "layer(bias=bias.astype('>f4'))": "ValueError",
    "layer(bias=bias.astype(object))": "ValueError",
    "layer(bias=0)": "TypeError",
    "layer(bounds=(1,))": "ValueError",
    "layer(bounds=None)": "TypeError",
    "layer(bounds=('a', 'b'))": "TypeError",
    "layer(config=None)": "TypeError",
    "layer()(x)": "AttributeError",
    "_core.Layer()": "TypeError",
    "_core.Layer.__new__(Conv1x1)": "TypeError",
    "object.__new__(Conv1x1)": "TypeError",
    "Conv1x1.__new__(np.ndarray, weight)": "TypeError",
    "Conv1x1.__new__(_core.Layer, weight)": "TypeError",
    "Conv1x1.__call__(x, x)": "TypeError",
    "_core.Layer._run(x, x, None, x, None)": "TypeError",
    "_core.Layer._weight(x)": "TypeError",
    "_core.Layer._bias(None)": "TypeError",
    "_core.Layer._last_plan(5)": "TypeError",
    "_core.Layer._shape.__get__(x)": "TypeError",
    "_core.Layer._config.__get__(x)": "TypeError",
    "Conv1x1(weight)._last_plan()": "ValueError",
    "layer = Conv1x1(weight); layer(x[:, :0]); layer._last_plan()": "ValueError",
    # the call of the core
    "run(x=x[:3])": "ValueError",
    "run(x=np.ones((5, 6, 6), 'f4'))": "ValueError",
    "run(x=x[0])": "ValueError",
    "run(x=x[None])": "ValueError",
    "run(x=x[:, :5])": "ValueError",
    "run(x=x[..., :5])": "ValueError",
    "run(x=x[:, :0])": "ValueError",
    "run(x=x[0, 0, 0])": "TypeError",
    "run(x=None)": "TypeError",
    "run(x=x.astype(object))": "ValueError",
    "run(x=x.astype('c8'))": "ValueError",
    "run(x=x.astype('g'))": "ValueError",
    "run(x=np.zeros(x.shape, 'M8[s]'))": "ValueError",
    "run(x=np.zeros(x.shape, 'V4'))": "ValueError",
    "run(x=np.zeros(x.shape, 'S8'))": "ValueError",
    "run(out=empty(6, 600, 600))": "ValueError",
    "run(out=empty(6, 5, 6))": "ValueError",
    "run(out=empty(7, 6, 6))": "ValueError",
    "run(out=empty(6))": "ValueError",
    "run(out=empty(1, 6, 6, 6))": "ValueError",
    "run(out=empty())": "ValueError",
    "run(out=empty(6, 6, 6, dtype='f8'))": "ValueError",
    "run(out=empty(6, 6, 6, dtype='>f4'))": "ValueError",
    "run(out=empty(6, 6, 6, dtype='i4'))": "ValueError",
    "run(out=empty(6, 6, 6, dtype=object))": "ValueError",
    "run(out=np.frombuffer(mmap.mmap(-1, 4096, prot=mmap.PROT_READ), 'f4')[:216].reshape(6, 6, 6))": "ValueError",
    "run(residual=empty(6, 6, 5))": "ValueError",
    "run(residual=empty(6))": "ValueError",
    "run(residual=empty(1, 6, 6, 6))": "ValueError",
    "run(residual=empty(6, 6, 6, dtype=object))": "ValueError",
    "run(residual=0)": "TypeError",
    "run(threads=0)": "ValueError",
    "run(threads=-1)": "ValueError",
    "run(threads=2**31)": "OverflowError",
    "run(threads='2')": "TypeError",
    "run(layer=Conv1x1(weight, stride=2))": "ValueError",
    "run(layer=Conv1x1(weight, layout='NHWC'))": "ValueError",
    "run(layer=Conv1x1(weight, dtype='f8'))": "ValueError",
    "_core.set_thread_limits(-1, 0)": "ValueError",
    "_core.set_thread_limits(0, -1)": "ValueError",
    "_core.set_thread_limits(2**31, 0)": "OverflowError",
    "_core.copy_bandwidth(0, 0.0)": "ValueError",
    "_core.copy_bandwidth(2**64 - 1, 0.0)": "ValueError",
    "_core.copy_bandwidth(-1, 0.0)": "OverflowError",
    "_core.select_isa(None)": "TypeError",
    "pickle.dumps(_core.Geometry())": "TypeError",
    # arguments that lie, or change between two looks
    "conv1x1(x, weight, out=liar(6, 600, 600))": "ValueError",
    "conv1x1(x, weight, out=liar(6, 1, 1))": "ValueError",
    "conv1x1(x, weight, out=liar(6, 6, 6, dtype='u1'))": "ValueError",
    "conv1x1(x, weight, out=liar())": "ValueError",
    "Conv1x1(weight)(x, out=liar(6, 6))": "ValueError",
    "Conv1x1(weight)(x, residual=liar(6, 6))": "ValueError",
    "conv1x1(liar(6, 6), weight)": "ValueError",
    "conv1x1(x, liar(6))": "ValueError",
    "conv1x1(x, weight, liar(6, 6, 6))": "ValueError",
    "own = empty(6, 6, 6); run(out=own, threads=Fickle(1, then=lambda: grow(own, 1)))": "ValueError",
    "own = np.ones((600, 4), 'f4'); layer(own, bounds=(Fickle(1, then=lambda: grow(own, 1, 4)), 9), groups=2)": "ValueError",
    "own = np.ones((600, 4), 'f4'); layer(own, own[:, 0].copy(), (Fickle(1), Fickle(1, then=lambda: grow(own, 1))))": "TypeError",
    "run(threads=Fickle(-5))": "ValueError",
    # an object whose insides were changed
    "layer = Conv1x1(weight); layer._config['stride'] = 2; layer(x)": "ValueError",
    "layer = Conv1x1(weight, stride=2); layer._config['stride'] = 1; layer(x)": "ValueError",
    "layer = Conv1x1(weight); layer._config['stride'] = 0; layer(x)": "ValueError",
    "layer = Conv1x1(weight); layer._config['layout'] = 'NHWC'; layer(np.ones((6, 6, 4), 'f4'))": "ValueError",
    "layer = Conv1x1(weight); layer._config.clear(); layer(x)": "KeyError",
    "Conv1x1(weight)._config = {}": "AttributeError",
    # pickles
    "Conv1x1(weight).__setstate__({})": "AttributeError",
    "pickle.loads(b'cpwconv._core\\nLayer\\n)\\x81.')": "TypeError",
    "pickle.loads(b'cpwconv\\nConv1x1\\n)\\x81.')": "TypeError",
    "pickle.loads(b'ccopyreg\\n_reconstructor\\n(cpwconv\\nConv1x1\\nc__builtin__\\nobject\\nNtR.')": "TypeError",
    "pickle.loads(pickle.dumps(Conv1x1(weight), 2)[:-1] + b'}(X\\x01\\x00\\x00\\x00aK\\x01ub.')": "AttributeError",
    "rebuild, (kind, w, b, config) = Conv1x1(weight).__reduce__(); rebuild(int, w, b, config)": "TypeError",
    "rebuild, (kind, w, b, config) = Conv1x1(weight).__reduce__(); rebuild(kind, w, b, config | {'groups': -1})": "ValueError",
    "rebuild, (kind, w, b, config) = Conv1x1(weight).__reduce__(); rebuild(kind, w, b, config | {'more': 1})": "TypeError",
    "rebuild, (kind, w, b, config) = Conv1x1(weight).__reduce__(); rebuild(kind, w[0], b, config)": "ValueError",
    "rebuild, (kind, w, b, config) = Conv1x1(weight).__reduce__(); rebuild(kind, None, b, config)": "TypeError",
    "rebuild, (kind, w, b, config) = Conv1x1(weight).__reduce__(); rebuild(kind, w, w, config)": "ValueError",
    "rebuild, (kind, w, b, config) = Conv1x1(weight).__reduce__(); rebuild(kind, w, b, None)": "TypeError",
}
ACCEPTED = (
    "layer(stride=(2**70, 2**63 - 1))",
    "layer(empty(0, 0), empty(0), groups=2**62)._weight()",
    "layer(empty(6, 0), bias)",
    "layer(bounds=(float('nan'), float('nan')))",
    "layer(weight[::-1, ::-1], bias[::-1])",
    "layer(np.frombuffer(b'\\0' + weight.tobytes(), np.uint8)[1:].view('f4').reshape(6, 4))._weight()",
    "assert (run(out=liar(6, 6, 6)) == 4).all()",
    "assert (run(threads=2**31 - 1) == 4).all()",
    "assert (run(threads=Fickle(1, -5, -5)) == 4).all()",
    "out = liar(6, 6, 6); assert conv1x1(x, weight, out=out) is out and (np.asarray(out) == 4).all()",
    "layer = Conv1x1(weight); layer.__init__(); layer.__init__(big, stride=0); assert (layer(x) == 4).all()",
    "layer = Conv1x1(weight); layer._config['activation'] = 'gelu'; layer(x)",
    "layer = Conv1x1(weight); layer._config['dtype'] = 1; layer(x.astype('f8'), out=empty(6, 6, 6))",
    "own = np.ones((4, 60, 60), 'f4'); Conv1x1(weight)(own, num_threads=Fickle(1, then=lambda: grow(own, 4, 1, 1)))",
    "conv1x1(x, weight, stride=Fickle(1, -1, 0), groups=Fickle(1, 0), num_threads=Fickle(1, -1))",
    "Conv1x1(weight, activation=(Fickle(0, 9), Fickle(6, -9)))(x)",
    "assert (copy.copy(Conv1x1(weight))(x) == 4).all()",
    "pickle.loads(pickle.dumps(Conv1x1(weight), 0))(x)",
    "type('Sub', (Conv1x1,), {})(weight)(x)",
    "type('Sub', (_core.Layer,), {'_checked_call': lambda self, *a: a})(weight, None, (1, 1), 1, 0, (0, 1), {})(x)",
    "_core.Geometry()",
    "_core.Geometry.__new__(_core.Geometry)",
    "_core.set_thread_limits(2**31 - 1, 2**31 - 1); conv1x1(x, weight)",
)


def test_refused():
    """One process for all: what does not raise as it should is named at the end, a signal names itself."""
    run_cases(REFUSED)


def test_accepted():
    run_cases(dict.fromkeys(ACCEPTED, ""))


def run_cases(cases):
    run_python(
        f"""{SETUP}
    import faulthandler, sys
    faulthandler.enable()
    wrong = []
    for code, expected in {cases!r}.items():
        print(code, file=sys.stderr, flush=True)
        got = ""
        try:
            exec(code, dict(globals()))
        except Exception as error:
            got = type(error).__name__
        if got != expected:
            wrong.append(f"{{got or 'nothing'}} in place of {{expected or 'nothing'}}: {{code}}")
    assert not wrong, "\\n".join(wrong)
    """
    )
