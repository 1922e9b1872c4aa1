// The little of protocol buffers that writing an ONNX file takes: a message is its fields one after the other, each a
// key (number and wire type) and a value (protobuf.dev/programming-guides/encoding).

/** An object's `float` is a float; numbers and bigints are integers; a list is a message inside. */
export type Field = [
  number: number,
  value: number | bigint | { float: number } | string | Uint8Array | Field[],
];

export function message(fields: readonly Field[]): Uint8Array {
  return join(fields.flatMap(([number, value]) => encode(number, value)));
}

function encode(number: number, value: Field[1]): Uint8Array[] {
  const key = (wireType: number) => varint((number << 3) | wireType);
  if (typeof value === 'number' || typeof value === 'bigint') return [key(0), varint(value)];
  if (typeof value === 'object' && 'float' in value) {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value.float, true);
    return [key(5), bytes];
  }
  const bytes =
    typeof value === 'string'
      ? new TextEncoder().encode(value)
      : Array.isArray(value)
        ? message(value)
        : value;
  return [key(2), varint(bytes.length), bytes];
}

/** Seven bits a byte, the lowest first; a negative number as its 64-bit two's complement. */
function varint(value: number | bigint): Uint8Array {
  let left = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(left & 127n);
    left >>= 7n;
    bytes.push(left > 0n ? low | 128 : low);
  } while (left > 0n);
  return Uint8Array.from(bytes);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
