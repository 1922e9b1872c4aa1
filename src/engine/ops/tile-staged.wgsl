// tile.wgsl for a workgroup that reads its part of both matrices into its own memory first, 16 of K at a time, so that each
// number is read from far away once and not once an invocation. Only where both matrices are read by fours and K is made
// of them. What lies there is [16, rows] and [16, columns], whichever way the matrices do.
  for (var start = first; start < last; start += 16) {
    workgroupBarrier();
//$ if TRANSPOSE_A
    for (var s = local; s < 16 * $TM; s += 64) {
      let k = start + s / $TM;
      shared4[s] = select(vec4f(), $A(k * (M / 4) + min(firstRow + s % $TM, M / 4 - 1)), k < last);
    }
//$ else
    for (var s = local; s < 4 * $TM; s += 64) {
      let k = start / 4 + s % 4;
      let m = (firstRow + s / 4) * 4;
      let x = transpose(mat4x4f(
  //$ for i in FOUR
        select(vec4f(), $A(min(m + $i, M - 1) * (K / 4) + k), k * 4 < last),
  //$ end
      ));
  //$ for i in FOUR
      shared4[(s % 4 * 4 + $i) * $TM + s / 4] = x[$i];
  //$ end
    }
//$ end
//$ if TRANSPOSE_B
    for (var s = local; s < 4 * $TN; s += 64) {
      let k = start / 4 + s % 4;
      let n = (firstColumn + s / 4) * 4;
      let y = transpose(mat4x4f(
  //$ for i in FOUR
        select(vec4f(), $B(min(n + $i, N - 1) * (K / 4) + k), k * 4 < last),
  //$ end
      ));
  //$ for i in FOUR
      shared4[16 * $TM + (s % 4 * 4 + $i) * $TN + s / 4] = y[$i];
  //$ end
    }
//$ else
    for (var s = local; s < 16 * $TN; s += 64) {
      let k = start + s / $TN;
      shared4[16 * $TM + s] = select(vec4f(), $B(k * (N / 4) + min(firstColumn + s % $TN, N / 4 - 1)), k < last);
    }
//$ end
    workgroupBarrier();
    for (var k = 0u; k < 16; k += 4) {
//$ for j in J
      let y$j = mat4x4f(
  //$ for i in FOUR
        shared4[(16 * $TM) + (k + $i) * $TN + local % $WX + $j * $WX],
  //$ end
      );
//$ end
//$ for r in R
      {
        let x = transpose(mat4x4f(
  //$ for i in FOUR
          shared4[(k + $i) * $TM + local / $WX * $R + $r],
  //$ end
        ));
  //$ for j in J
        c$r_$j += y$j * x;
  //$ end
      }
//$ end
    }
  }
