// One sum of products x · Wᵀ of few rows, number $P of a dispatch, as writing a token at a time is made of: what counts is
// that W is read once and in the order it lies in. LANES invocations walk K together for a block of four columns and up to
// ROWS rows, then add their parts up as a tree over neighbours, the same whether through the workgroup's memory or, for
// the SUB nearest, within a subgroup. Where LANES is 1 each invocation has a block of its own.

fn product$P(group: u32, local: u32) {
  let M = u.M$P;
  let N = u.N$P;
  let row = group / u.across$P * $ROWS;
//$ if TOGETHER
  let column = group % u.across$P;
  let lane = local;
//$ else
  let column = group % u.across$P * $WX + local;
  const lane = 0u;
  if (local >= $WX || column * 4 >= N) { return; }
//$ end
//$ for m in ROWS
  var c$m = vec4f();
//$ end
//$ include TERMS
//$ if TOGETHER
  //$ if SUBGROUPS
  for (var near = 1u; near < $SUB; near *= 2) {
    //$ for m in ROWS
    c$m += subgroupShuffleXor(c$m, near);
    //$ end
  }
  //$ end
  //$ for m in ROWS
  shared4[$m * $LANES + lane] = c$m;
  //$ end
  for (var near = u32($SUB); near < $LANES; near *= 2) {
    workgroupBarrier();
    for (var pair = local; pair < $ROWS * $LANES / 2 / near; pair += 64) {
      shared4[pair * 2 * near] += shared4[(pair * 2 + 1) * near];
    }
  }
  workgroupBarrier();
  if (local < $ROWS) { put$P(row + local, column, shared4[local * $LANES]); }
//$ else
  var sums = array<vec4f, $ROWS>(
  //$ for m in ROWS
    c$m,
  //$ end
  );
  for (var m = 0u; m < $ROWS; m++) { put$P(row + m, column, sums[m]); }
//$ end
}
