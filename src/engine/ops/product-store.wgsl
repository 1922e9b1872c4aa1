// What becomes of one sum of matrix products, number $P of a dispatch: scaled, with what its neighbours would do to it.
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
