// The scale of a block of a packed matrix, number $K of a dispatch: as it lies, or quantised itself (DOUBLE in dequantize.ts).
fn scale$K(block: u32) -> f32 {
//$ if DOUBLE
  let first = 257 + 65 * (block / 256);
  let code = (scales$K[first + 1 + (block % 256) / 4] >> (8 * (block % 4))) & 255;
  return bitcast<f32>(scales$K[1 + code]) * bitcast<f32>(scales$K[first]) + bitcast<f32>(scales$K[0]);
//$ else
  return scales$K[block];
//$ end
}
