// A packed matrix in float32: one invocation a word of 2 halves, 4 signed bytes or 8 codes of NF4.
struct Uniforms { words: u32, size: u32 }

@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<storage, read> packed: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<$SCALES>;
@group(0) @binding(3) var<uniform> u: Uniforms;

//$ include SCALE

//$ if NF4
const levels = array<f32, 16>($LEVELS);
//$ end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let at = (group.y * groups.x + group.x) * 64 + local;
  if (at >= u.words) { return; }
  let word = packed[at];
  let first = at * $PER;
//$ if HALF
  let pair = unpack2x16float(word);
  result[first] = pair.x;
  if (first + 1 < u.size) { result[first + 1] = pair.y; }
//$ else
  let scale = scale(first / 64); // a word lies in one block
  for (var i = 0u; i < $PER && first + i < u.size; i++) {
  //$ if NF4
    let code = (word >> (8 * (i / 2) + 4 * (1 - i % 2))) & 15;
    result[first + i] = scale * levels[code];
  //$ else
    result[first + i] = scale * (f32(extractBits(i32(word), 8 * i, 8)) / 127);
  //$ end
  }
//$ end
}
