// JavaScript values to IValues and back, by the operator's schema; every conversion and its error text, once.
#include <ATen/ATen.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>

#include <cmath>

#include "unrecite.h"

namespace unrecite {
namespace {

constexpr double kMaxSafe = 9007199254740991.0;

struct DtypeName {
  at::ScalarType dtype;
  const char *name, *brief;
};
constexpr DtypeName kDtypes[] = {
    {at::kFloat, "float32", "f32"}, {at::kDouble, "float64", "f64"}, {at::kHalf, "float16", "f16"},
    {at::kBFloat16, "bfloat16", "bf16"}, {at::kLong, "int64", "i64"}, {at::kInt, "int32", "i32"},
    {at::kShort, "int16", "i16"}, {at::kChar, "int8", "i8"}, {at::kByte, "uint8", "u8"}, {at::kBool, "bool", "b8"}};

napi_valuetype typeOf(napi_env env, napi_value value) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  return type;
}

const char* typeName(napi_env env, napi_value value) {
  bool array = false;
  napi_is_array(env, value, &array);
  if (array) return "array";
  switch (typeOf(env, value)) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return "boolean";
    case napi_number: return "number";
    case napi_string: return "string";
    case napi_bigint: return "bigint";
    case napi_function: return "function";
    default: return "object";
  }
}

[[noreturn]] void wrong(napi_env env, napi_value value, const std::string& what, const std::string& expected) {
  throw Fault("ARG", what + ": expected " + expected + ", got " + typeName(env, value));
}

uint32_t lengthOf(napi_env env, napi_value value, const std::string& what, const std::string& expected) {
  bool array = false;
  napi_is_array(env, value, &array);
  if (!array) wrong(env, value, what, expected);
  uint32_t length = 0;
  napi_get_array_length(env, value, &length);
  return length;
}

napi_value at_(napi_env env, napi_value array, uint32_t i) {
  napi_value value;
  napi_get_element(env, array, i, &value);
  return value;
}

Kind kindOf(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return Kind::Tensor;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return Kind::Int;
    case c10::TypeKind::FloatType: return Kind::Float;
    case c10::TypeKind::BoolType: return Kind::Bool;
    case c10::TypeKind::NumberType: return Kind::Scalar;
    case c10::TypeKind::StringType: return Kind::String;
    case c10::TypeKind::ScalarTypeType: return Kind::Dtype;
    case c10::TypeKind::LayoutType: return Kind::Layout;
    case c10::TypeKind::MemoryFormatType: return Kind::MemoryFormat;
    case c10::TypeKind::DeviceObjType: return Kind::Device;
    case c10::TypeKind::GeneratorType: return Kind::Generator;
    default: return Kind::Unsupported;
  }
}

c10::Scalar scalarOf(napi_env env, napi_value value, const std::string& what, bool integral) {
  const auto type = typeOf(env, value);
  if (type == napi_boolean) return c10::Scalar(toBool(env, value, what.c_str()));
  if (type == napi_bigint) return c10::Scalar(toInt(env, value, what.c_str()));
  if (type != napi_number) wrong(env, value, what, "number");
  const double number = toNumber(env, value, what.c_str());
  // 1 and 1.0 are one value in JavaScript: the tensor beside it says which is meant.
  if (integral && std::trunc(number) == number && std::abs(number) <= kMaxSafe) return c10::Scalar(int64_t(number));
  return c10::Scalar(number);
}

c10::IValue listOf(napi_env env, napi_value value, const ArgSpec& spec, bool integral) {
  const std::string& what = spec.name;
  if (spec.kind == Kind::Int && spec.broadcast > 0 && typeOf(env, value) == napi_number)
    return std::vector<int64_t>(spec.broadcast, toInt(env, value, what.c_str()));
  const uint32_t length = lengthOf(env, value, what, spec.type);
  switch (spec.kind) {
    case Kind::Tensor: {
      if (!spec.optionalElements) return toTensors(env, value, what.c_str());
      c10::List<std::optional<at::Tensor>> list;
      for (uint32_t i = 0; i < length; i++) {
        const auto element = at_(env, value, i);
        if (isNullish(env, element)) list.push_back(std::optional<at::Tensor>());
        else list.push_back(tensorOf(toNumber(env, element, what.c_str())));
      }
      return list;
    }
    case Kind::Int: return toInts(env, value, what.c_str());
    case Kind::Float: {
      std::vector<double> list(length);
      for (uint32_t i = 0; i < length; i++) list[i] = toNumber(env, at_(env, value, i), what.c_str());
      return list;
    }
    case Kind::Bool: {
      c10::List<bool> list;
      for (uint32_t i = 0; i < length; i++) list.push_back(toBool(env, at_(env, value, i), what.c_str()));
      return list;
    }
    case Kind::Scalar: {
      c10::List<at::Scalar> list;
      for (uint32_t i = 0; i < length; i++) list.push_back(scalarOf(env, at_(env, value, i), what, integral));
      return c10::impl::toList(list);
    }
    default: throw Fault("ARG", what + ": lists of type " + spec.type + " are not bound");
  }
}

c10::IValue singleOf(napi_env env, napi_value value, const ArgSpec& spec, bool integral) {
  const char* what = spec.name.c_str();
  switch (spec.kind) {
    case Kind::Tensor: return tensorOf(toNumber(env, value, what));
    case Kind::Int: return toInt(env, value, what);
    case Kind::Float: return toNumber(env, value, what);
    case Kind::Bool: return toBool(env, value, what);
    case Kind::Scalar: return scalarOf(env, value, spec.name, integral);
    case Kind::String: return toString(env, value, what);
    case Kind::Dtype: return int64_t(dtypeNamed(toString(env, value, what)));
    case Kind::Device: {
      try {
        return c10::Device(toString(env, value, what));
      } catch (const c10::Error&) {
        throw Fault("ARG", spec.name + ": expected a device such as cpu or cuda:0");
      }
    }
    default: throw Fault("ARG", spec.name + ": arguments of type " + spec.type + " are not bound");
  }
}

}  // namespace

ArgSpec argSpecOf(const c10::Argument& argument) {
  ArgSpec spec;
  spec.name = argument.name();
  spec.type = argument.real_type()->str();
  auto type = argument.real_type();
  if (auto optional = type->cast<c10::OptionalType>()) {
    spec.optional = true;
    type = optional->getElementType();
  }
  if (auto list = type->cast<c10::ListType>()) {
    spec.list = true;
    type = list->getElementType();
    if (auto element = type->cast<c10::OptionalType>()) {
      spec.optionalElements = true;
      type = element->getElementType();
    }
    if (argument.N()) spec.broadcast = *argument.N();
  }
  spec.kind = kindOf(type);
  if (argument.default_value()) {
    spec.hasDefault = true;
    spec.defaultValue = *argument.default_value();
  }
  return spec;
}

c10::IValue toIValue(napi_env env, napi_value value, const ArgSpec& spec, bool integral) {
  const auto type = typeOf(env, value);
  if (type == napi_undefined && spec.hasDefault) return spec.defaultValue;
  if (type == napi_undefined || type == napi_null) {
    if (spec.optional) return c10::IValue();
    wrong(env, value, spec.name, spec.type);
  }
  return spec.list ? listOf(env, value, spec, integral) : singleOf(env, value, spec, integral);
}

napi_value toJs(napi_env env, const c10::IValue& value) {
  napi_value result;
  if (value.isTensor()) {
    if (!value.toTensor().defined()) napi_get_null(env, &result);
    else result = number(env, retain(value.toTensor()));
  } else if (value.isInt()) {
    result = number(env, double(value.toInt()));
  } else if (value.isDouble()) {
    result = number(env, value.toDouble());
  } else if (value.isBool()) {
    napi_get_boolean(env, value.toBool(), &result);
  } else if (value.isNone()) {
    napi_get_null(env, &result);
  } else if (value.isScalar()) {
    result = number(env, value.toScalar().toDouble());
  } else if (value.isString()) {
    result = text(env, value.toStringRef());
  } else if (value.isTensorList()) {
    const auto list = value.toTensorVector();
    napi_create_array_with_length(env, list.size(), &result);
    for (size_t i = 0; i < list.size(); i++) napi_set_element(env, result, i, number(env, retain(list[i])));
  } else {
    throw Fault("ARG", "results of type " + value.tagKind() + " are not bound");
  }
  return result;
}

double toNumber(napi_env env, napi_value value, const char* what) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) wrong(env, value, what, "number");
  return number;
}

int64_t toInt(napi_env env, napi_value value, const char* what) {
  if (typeOf(env, value) == napi_bigint) {
    int64_t integer;
    bool lossless;
    napi_get_value_bigint_int64(env, value, &integer, &lossless);
    if (!lossless) throw Fault("ARG", std::string(what) + ": expected a 64-bit integer");
    return integer;
  }
  const double number = toNumber(env, value, what);
  if (std::trunc(number) != number || std::abs(number) > kMaxSafe)
    throw Fault("ARG", std::string(what) + ": expected an integer, got " + std::to_string(number));
  return int64_t(number);
}

bool toBool(napi_env env, napi_value value, const char* what) {
  bool flag;
  if (napi_get_value_bool(env, value, &flag) != napi_ok) wrong(env, value, what, "boolean");
  return flag;
}

std::string toString(napi_env env, napi_value value, const char* what) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) wrong(env, value, what, "string");
  std::string result(length, '\0');
  napi_get_value_string_utf8(env, value, result.data(), length + 1, &length);
  return result;
}

std::vector<int64_t> toInts(napi_env env, napi_value value, const char* what) {
  const uint32_t length = lengthOf(env, value, what, "array of integers");
  std::vector<int64_t> list(length);
  for (uint32_t i = 0; i < length; i++) list[i] = toInt(env, at_(env, value, i), what);
  return list;
}

std::vector<at::Tensor> toTensors(napi_env env, napi_value value, const char* what) {
  const uint32_t length = lengthOf(env, value, what, "array of tensors");
  std::vector<at::Tensor> list;
  list.reserve(length);
  for (uint32_t i = 0; i < length; i++) list.push_back(tensorOf(toNumber(env, at_(env, value, i), what)));
  return list;
}

at::ScalarType dtypeNamed(const std::string& name) {
  for (const auto& entry : kDtypes)
    if (name == entry.name) return entry.dtype;
  throw Fault("ARG", "dtype: expected one of float32, float64, float16, bfloat16, int64, int32, int16, int8, uint8, "
                     "bool, got \"" + name + "\"");
}
const char* nameOf(at::ScalarType dtype) {
  for (const auto& entry : kDtypes)
    if (dtype == entry.dtype) return entry.name;
  return "other";
}

std::string describe(const at::Tensor& tensor) {
  std::string result = "?";
  for (const auto& entry : kDtypes)
    if (tensor.scalar_type() == entry.dtype) result = entry.brief;
  result += "[";
  for (int64_t i = 0; i < tensor.dim(); i++) result += (i ? "," : "") + std::to_string(tensor.size(i));
  return result + "]";
}

bool isNullish(napi_env env, napi_value value) {
  const auto type = typeOf(env, value);
  return type == napi_undefined || type == napi_null;
}
napi_value number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}
napi_value text(napi_env env, const std::string& value) {
  napi_value result;
  napi_create_string_utf8(env, value.data(), value.size(), &result);
  return result;
}
napi_value undefined(napi_env env) {
  napi_value result;
  napi_get_undefined(env, &result);
  return result;
}

}  // namespace unrecite
