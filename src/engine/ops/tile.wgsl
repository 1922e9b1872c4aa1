// The inner product shared by every kernel that multiplies matrices: one invocation owns a tile of 4·R × 4·J results
// in registers, as R × J blocks of 4 × 4, and walks K four at a time. No workgroup memory and no barrier, which a
// software adapter pays dearly for. Included where M, N, K, first, last, row and column are known; $A and $B are the
// functions that read the matrices. Results are added to c$r_$j, a mat4x4f whose column i is row 4·(row + r) + i of the
// result. Blocks of columns of one invocation are $WX apart, so that neighbouring invocations read neighbouring memory.
//$ for r in R
  //$ if ALIGNED
    //$ if TRANSPOSE_A
  let a$r = min(row + $r, M / 4 - 1);
    //$ else
      //$ for i in FOUR
  let a$r_$i = min((row + $r) * 4 + $i, M - 1) * (K / 4);
      //$ end
    //$ end
  //$ end
//$ end
//$ if ALIGNED
  //$ for j in J
    //$ if TRANSPOSE_B
      //$ for i in FOUR
  let b$j_$i = min((column + $j * $WX) * 4 + $i, N - 1) * (K / 4);
      //$ end
    //$ else
  let b$j = min(column + $j * $WX, N / 4 - 1);
    //$ end
  //$ end
  let whole = last - last % 4;
  for (var k = first; k < whole; k += 4) {
  //$ for j in J
    //$ if TRANSPOSE_B
    let y$j = transpose(mat4x4f($B(b$j_0 + k / 4), $B(b$j_1 + k / 4), $B(b$j_2 + k / 4), $B(b$j_3 + k / 4)));
    //$ else
    let y$j = mat4x4f($B(k * (N / 4) + b$j), $B((k + 1) * (N / 4) + b$j), $B((k + 2) * (N / 4) + b$j), $B((k + 3) * (N / 4) + b$j));
    //$ end
  //$ end
  //$ for r in R
    {
    //$ if TRANSPOSE_A
      let x = transpose(mat4x4f($A(k * (M / 4) + a$r), $A((k + 1) * (M / 4) + a$r), $A((k + 2) * (M / 4) + a$r), $A((k + 3) * (M / 4) + a$r)));
    //$ else
      let x = mat4x4f($A(a$r_0 + k / 4), $A(a$r_1 + k / 4), $A(a$r_2 + k / 4), $A(a$r_3 + k / 4));
    //$ end
    //$ for j in J
      c$r_$j += y$j * x;
    //$ end
    }
  //$ end
  }
  //$ if RAGGED_K
  for (var k = whole; k < last; k++) {
  //$ for j in J
    let y$j = $B(k * (N / 4) + b$j);
  //$ end
  //$ for r in R
    {
      let x = $A(k * (M / 4) + a$r);
    //$ for j in J
      c$r_$j += mat4x4f(y$j * x.x, y$j * x.y, y$j * x.z, y$j * x.w);
    //$ end
    }
  //$ end
  }
  //$ end
//$ else
  for (var k = first; k < last; k++) {
  //$ for j in J
    let y$j = vec4f(
    //$ for i in FOUR
      //$ if TRANSPOSE_B
      $B(min((column + $j * $WX) * 4 + $i, N - 1) * K + k),
      //$ else
      $B(k * N + min((column + $j * $WX) * 4 + $i, N - 1)),
      //$ end
    //$ end
    );
  //$ end
  //$ for r in R
    {
      let x = vec4f(
    //$ for i in FOUR
      //$ if TRANSPOSE_A
        $A(k * M + min((row + $r) * 4 + $i, M - 1)),
      //$ else
        $A(min((row + $r) * 4 + $i, M - 1) * K + k),
      //$ end
    //$ end
      );
    //$ for j in J
      c$r_$j += mat4x4f(y$j * x.x, y$j * x.y, y$j * x.z, y$j * x.w);
    //$ end
    }
  //$ end
  }
//$ end
