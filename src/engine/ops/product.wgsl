// One sum of matrix products, number $P of a dispatch, by tiles. Where the result has few numbers, K is summed up in SLICES
// that are then added in order. The invocations of a workgroup share them (SHARED), enough of them for a GPU, or each does
// all (SERIAL): with the same bits. No invocation may leave early where the workgroup works together. A software adapter
// spends much of its time compiling on stores that stand one after the other: there they are in a LOOP.

fn product$P(group: u32, local: u32) {
  let M = u.M$P;
  let N = u.N$P;
  let place = local % ($WX * $WY);
  let firstColumn = (group % u.across$P) * $WX * $J;
  let firstRow = group / u.across$P * $WY * $R;
  let column = firstColumn + place % $WX;
  let row = firstRow + place / $WX * $R;
//$ if SHARED
  let slice = local / ($WX * $WY);
//$ else
  //$ if ALONE
  if (column * 4 >= N || row * 4 >= M) { return; }
  //$ end
//$ end
//$ for r in R
  //$ for j in J
  var c$r_$j = mat4x4f();
  //$ end
//$ end
//$ if SERIAL
  var sum = mat4x4f();
  for (var slice = 0u; slice < $SLICES; slice++) {
    c0_0 = mat4x4f();
//$ include TERMS
    if (slice == 0) { sum = c0_0; } else { sum += c0_0; }
  }
  c0_0 = sum;
//$ else
  //$ if SHARED
  //$ else
  const slice = 0u;
  //$ end
//$ include TERMS
//$ end
//$ if SHARED
  //$ for i in FOUR
  shared4[local * 4 + $i] = c0_0[$i];
  //$ end
  workgroupBarrier();
  if (slice > 0) { return; }
  for (var s = 1u; s < $SLICES; s++) {
    let at = (s * $WX * $WY + place) * 4;
    c0_0 += mat4x4f(shared4[at], shared4[at + 1], shared4[at + 2], shared4[at + 3]);
  }
//$ end
//$ if LOOP
  var blocks = array<mat4x4f, $R * $J>(
  //$ for r in R
    //$ for j in J
    c$r_$j,
    //$ end
  //$ end
  );
  for (var i = 0u; i < $R * $J * 4; i++) {
    put$P((row + i / ($J * 4)) * 4 + i % 4, column + i / 4 % $J * $WX, blocks[i / 4][i % 4]);
  }
//$ else
  //$ for r in R
    //$ for j in J
      //$ for i in FOUR
  put$P((row + $r) * 4 + $i, column + $j * $WX, c$r_$j[$i]);
      //$ end
    //$ end
  //$ end
//$ end
}
