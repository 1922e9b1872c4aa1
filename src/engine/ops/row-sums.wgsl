// Gives each row of N to `forRow`, in whose sums `total` adds up what its invocations have: a workgroup's SIZE, or
// one (ALONE), which needs no barrier. The order of the sums is fixed.
//$ if ALONE
const SIZE = 1u;

fn total(value: vec2f, local: u32, phase: u32) -> vec2f { return value; }

@compute @workgroup_size($ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = (group.y * groups.x + group.x) * $ROWS + local;
  if (row < u.N) { forRow(row, 0); }
}
//$ else
const SIZE = 32u;
var<workgroup> sums: array<array<vec2f, SIZE>, $PHASES>;

// In every invocation and always in the same order. One barrier, as every invocation adds all up itself and each phase
// has numbers of its own.
fn total(value: vec2f, local: u32, phase: u32) -> vec2f {
  sums[phase][local] = value;
  workgroupBarrier();
  var sum = vec2f();
  for (var i = 0u; i < SIZE; i++) { sum += sums[phase][i]; }
  return sum;
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = group.y * groups.x + group.x;
  if (row < u.N) { forRow(row, local); }
}
//$ end
