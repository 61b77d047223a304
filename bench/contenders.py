"""What is raced. Each function prepares one layer, weights packed where the library can, and gives a `Contender`.

Libraries are imported by the function that uses them, so that one that is not installed is a skip. Each gets the layout
as its own: a library that would have to transpose raises `Unfit` instead. All run on `pwconv.get_num_threads()` threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import pwconv
from pwconv._bench import Call, by_matmul, by_pwconv
from pwconv._layers import Array, Operands


class Unfit(Exception):
    """Why a library is no contender for a layer."""


class Contender(NamedTuple):
    """A call, and what turns its result into the array of the output.

    Some libraries hold bare pointers, so the call needs `view` and the operands alive.
    """

    call: Call
    view: Callable[[Any], Array] = np.asarray


def own(data: Operands) -> Contender:
    return Contender(by_pwconv(data))


def matmul(data: Operands) -> Contender:
    return Contender(by_matmul(data))


def einsum(data: Operands) -> Contender:
    subscripts = "ok,nkhw->nohw" if data.layout == "NCHW" else "nhwk,ok->nhwo"
    operands = (data.weight, data.taken()) if data.layout == "NCHW" else (data.taken(), data.weight)
    return Contender(lambda: bias_and_relu(np.einsum(subscripts, *operands, optimize=True), data))


def tensordot(data: Operands) -> Contender:
    x, weight = data.taken(), data.weight
    if data.layout == "NHWC":
        return Contender(lambda: bias_and_relu(np.tensordot(x, weight, (3, 1)), data))
    return Contender(lambda: bias_and_relu(np.moveaxis(np.tensordot(weight, x, (1, 1)), 0, 1), data))


def bias_and_relu(y: Array, data: Operands) -> Array:
    """In place, on an output whose memory has the order of the layout."""
    y = np.ascontiguousarray(y)
    y += data.bias[:, None, None] if data.layout == "NCHW" else data.bias
    return np.maximum(y, 0, out=y)


def torch(data: Operands) -> Contender:
    """Eager conv2d and relu_; NHWC is its channels_last."""
    import torch

    torch.set_num_threads(pwconv.get_num_threads())
    torch.set_grad_enabled(False)
    x, weight, bias = (torch.from_numpy(array) for array in (data.x, data.weight[:, :, None, None], data.bias))
    conv2d, stride = torch.nn.functional.conv2d, data.layer.stride
    if data.layout == "NCHW":
        return Contender(lambda: conv2d(x, weight, bias, stride).relu_())
    x, weight = x.permute(0, 3, 1, 2), weight.contiguous(memory_format=torch.channels_last)
    return Contender(lambda: conv2d(x, weight, bias, stride).relu_(), lambda y: y.permute(0, 2, 3, 1).numpy())


def onnxruntime(data: Operands) -> Contender:
    """Conv and Relu, which it fuses, between buffers bound once."""
    if data.layout == "NHWC":
        raise Unfit("ONNX Runtime computes in NCHW alone")
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    x, y = data.x, data.out()
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "weight", "bias"], ["sum"], strides=[data.layer.stride] * 2),
            helper.make_node("Relu", ["sum"], ["y"]),
        ],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y.shape)],
        [numpy_helper.from_array(data.weight[:, :, None, None], "weight"), numpy_helper.from_array(data.bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = pwconv.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    bound = session.io_binding()
    bound.bind_input("x", "cpu", 0, np.float32, x.shape, x.ctypes.data)
    bound.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
    return Contender(lambda: session.run_with_iobinding(bound), lambda _: y)


def openvino(data: Operands) -> Contender:
    """A compiled model between tensors that share NumPy's memory."""
    import openvino
    from openvino import opset13 as op
    from openvino.preprocess import PrePostProcessor

    layer, y = data.layer, data.out()
    x = op.parameter(layer.x_shape("NCHW"), np.float32)
    steps = [layer.stride] * 2
    conv = op.convolution(x, op.constant(data.weight[:, :, None, None]), steps, [0, 0], [0, 0], [1, 1])
    model = openvino.Model([op.relu(op.add(conv, op.constant(data.bias[:, None, None])))], [x], "layer")
    ends = PrePostProcessor(model)
    for end in (ends.input(), ends.output()):
        end.tensor().set_layout(openvino.Layout(data.layout))
        end.model().set_layout(openvino.Layout("NCHW"))
    options = {
        "INFERENCE_NUM_THREADS": pwconv.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
    }
    request = openvino.Core().compile_model(ends.build(), "CPU", options).create_infer_request()
    request.set_input_tensor(openvino.Tensor(data.x, shared_memory=True))
    request.set_output_tensor(openvino.Tensor(y, shared_memory=True))
    return Contender(lambda: request.infer(share_inputs=True, share_outputs=True), lambda _: y)


def jax(data: Operands) -> Contender:
    """A compiled lax.conv_general_dilated, on NumPy's memory."""
    import jax

    jax.config.update("jax_cpu_enable_async_dispatch", False)
    last = data.layout == "NHWC"
    names = (data.layout, "HWIO", data.layout) if last else (data.layout, "OIHW", data.layout)
    weight = data.weight.T[None, None] if last else data.weight[:, :, None, None]
    steps = [data.layer.stride] * 2

    @jax.jit
    def layer(x: Any, weight: Any, bias: Any) -> Any:
        y = jax.lax.conv_general_dilated(x, weight, steps, "VALID", dimension_numbers=names)
        return jax.numpy.maximum(y + bias, 0)

    arrays = (data.x, weight, data.bias if last else data.bias[:, None, None])
    x, weight, bias = jax.dlpack.from_dlpack(arrays[0]), *map(jax.numpy.array, arrays[1:])
    return Contender(lambda: layer(x, weight, bias).block_until_ready())


def litert(data: Operands) -> Contender:
    """TensorFlow Lite's interpreter, which gives the layer to XNNPACK; between arrays of its own."""
    if data.layout == "NCHW":
        raise Unfit("LiteRT computes in NHWC alone")
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

    layer = data.layer
    shapes = (layer.x_shape("NHWC"), (layer.c_out, 1, 1, layer.c_in), (layer.c_out,), layer.y_shape("NHWC"))
    contents = (None, data.weight.view(np.uint8).ravel(), data.bias.view(np.uint8), None)
    options = schema.Conv2DOptionsT(
        padding=schema.Padding.VALID,
        strideW=layer.stride,
        strideH=layer.stride,
        fusedActivationFunction=schema.ActivationFunctionType.RELU,
    )
    conv = schema.OperatorT(
        inputs=[0, 1, 2], outputs=[3], builtinOptionsType=schema.BuiltinOptions.Conv2DOptions, builtinOptions=options
    )
    graph = schema.SubGraphT(
        tensors=[schema.TensorT(shape=list(shape), buffer=index) for index, shape in enumerate(shapes)],
        inputs=[0],
        outputs=[3],
        operators=[conv],
    )
    code = schema.BuiltinOperator.CONV_2D
    model = schema.ModelT(
        version=3,
        operatorCodes=[schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code)],
        subgraphs=[graph],
        buffers=[schema.BufferT(data=content) for content in contents],
    )
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    interpreter = Interpreter(model_content=bytes(builder.Output()), num_threads=pwconv.get_num_threads())
    interpreter.allocate_tensors()
    (x,), (y,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(x["index"], data.x)
    return Contender(interpreter.invoke, lambda _: interpreter.get_tensor(y["index"]))


# The name of a contender is that of what has to be installed for it.
CONTENDERS: dict[str, Callable[[Operands], Contender]] = {
    "pwconv": own,
    "numpy.matmul": matmul,
    "numpy.einsum": einsum,
    "numpy.tensordot": tensordot,
    "torch": torch,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "jax": jax,
    "ai-edge-litert": litert,
}
