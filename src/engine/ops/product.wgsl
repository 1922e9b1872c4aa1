// One sum of matrix products, number $P of a dispatch: scale · Σ op(a)·op(b), and what its neighbours would do to the
// result. Where the result has few numbers, K is summed up in SLICES that are then added in order. The invocations of a
// workgroup share them (SHARED), enough of them for a GPU, or each does all (SERIAL): with the same bits.

fn store$P(at: u32, column: u32, product: $ELEMENT) {
  var value = product * u.scale$P;
//$ if BIAS
  value += $BIAS(column);
//$ end
//$ if ADD
  value += $ADD(at);
//$ end
//$ if SLOPE
  value *= slope_$ELEMENT($SLOPE(at));
//$ end
  $RESULT[at] = value;
//$ if GELU
  $GELU[at] = gelu_$ELEMENT(value);
//$ end
}

fn put$P(m: u32, block: u32, product: vec4f) {
  let N = u.N$P;
  if (m >= u.M$P || block * 4 >= N) { return; }
//$ if STORE4
  store$P(m * (N / 4) + block, block, product);
//$ else
  for (var i = 0u; i < min(4, N - block * 4); i++) { store$P(m * N + block * 4 + i, block * 4 + i, product[i]); }
//$ end
}

fn product$P(group: u32, local: u32) {
  let M = u.M$P;
  let N = u.N$P;
  let place = local % ($WX * $WY);
  let column = (group % u.across$P) * $WX * $J + place % $WX;
  let row = (group / u.across$P * $WY + place / $WX) * $R;
//$ if SHARED
  let slice = local / ($WX * $WY);
//$ else
  if (column * 4 >= N || row * 4 >= M) { return; }
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
  parts[local] = c0_0;
  workgroupBarrier();
  if (slice > 0) { return; }
  for (var s = 1u; s < $SLICES; s++) { c0_0 += parts[s * $WX * $WY + place]; }
//$ end
//$ for r in R
  //$ for j in J
    //$ for i in FOUR
  put$P((row + $r) * 4 + $i, column + $j * $WX, c$r_$j[$i]);
    //$ end
  //$ end
//$ end
}
