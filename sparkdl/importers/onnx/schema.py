"""The messages of ONNX files that exporting needs; numbers as in onnx.proto."""

from sparkdl.importers.caffe.schema import MESSAGES, NUMBERS, parse

_TEXT = """
ModelProto: ir_version 1 int, producer_name 2 string, graph 7 GraphProto, opset_import 8 OperatorSetIdProto*
OperatorSetIdProto: domain 1 string, version 2 int
GraphProto: node 1 NodeProto*, name 2 string, initializer 5 TensorProto*, input 11 ValueInfoProto*, output 12 ValueInfoProto*
NodeProto: input 1 string*, output 2 string*, name 3 string, op_type 4 string, attribute 5 AttributeProto*
AttributeProto: name 1 string, f 2 float, i 3 int, s 4 bytes, floats 7 float*, ints 8 int*, strings 9 bytes*, type 20 int
TensorProto: dims 1 int*, data_type 2 int, name 8 string, raw_data 9 bytes
ValueInfoProto: name 1 string, type 2 TypeProto
TypeProto: tensor_type 1 TensorTypeProto
TensorTypeProto: elem_type 1 int, shape 2 TensorShapeProto
TensorShapeProto: dim 1 DimensionProto*
DimensionProto: dim_value 1 int, dim_param 2 string
"""

_messages, _ = parse(_TEXT)
MESSAGES.update(_messages)
NUMBERS.update({m: {f.number: f for f in fields.values()} for m, fields in _messages.items()})
