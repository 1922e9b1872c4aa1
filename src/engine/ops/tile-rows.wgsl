// The inner product of product-rows.wgsl: the four columns of a block with each row, one quadruple of K after the other,
// or one number where K is not made of fours.
  {
//$ if ALIGNED
    let steps = K / 4;
//$ else
    let steps = K;
//$ end
//$ for i in FOUR
    let b$i = min(column * 4 + $i, N - 1) * steps;
//$ end
//$ for m in ROWS
    let a$m = min(row + $m, M - 1) * steps;
//$ end
    for (var k = lane; k < steps; k += $LANES) {
//$ if ALIGNED
      let w = mat4x4f($B(b0 + k), $B(b1 + k), $B(b2 + k), $B(b3 + k));
//$ else
      let w = vec4f($B(b0 + k), $B(b1 + k), $B(b2 + k), $B(b3 + k));
//$ end
//$ for m in ROWS
      c$m += $A(a$m + k) * w;
//$ end
    }
  }
