// Four numbers of a packed matrix, number $K of a dispatch, made float32 where they are read: as in dequantize.wgsl.
//$ if NF4
var<private> levels$K = array<f32, 16>($LEVELS);
//$ end
fn read$K(at: u32) -> vec4f {
//$ if HALF
  let pair = data$K[at]; // two words
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
//$ end
//$ if INT8
  let word = i32(data$K[at]);
  let bytes = vec4f(vec4i(extractBits(word, 0, 8), extractBits(word, 8, 8), extractBits(word, 16, 8), extractBits(word, 24, 8)));
  return bytes / 127 * scale$K(at / 16);
//$ end
//$ if NF4
  let word = data$K[at / 2] >> (16 * (at % 2));
  let codes = vec4u(word >> 4, word, word >> 12, word >> 8) & vec4u(15);
  return vec4f(levels$K[codes.x], levels$K[codes.y], levels$K[codes.z], levels$K[codes.w]) * scale$K(at / 16);
//$ end
}
