// The tanh form of GELU and its slope, for an element type T. tanh of large arguments overflows in some drivers, hence
// the clamp.
fn gelu_$T(x: $T) -> $T {
  return 0.5 * x * (1 + tanh(clamp(0.7978845608 * x * (1 + 0.044715 * x * x), $T(-15), $T(15))));
}

fn slope_$T(x: $T) -> $T {
  let square = x * x;
  let t = tanh(clamp(0.7978845608 * x * (1 + 0.044715 * square), $T(-15), $T(15)));
  return 0.5 * (1 + t + x * (1 - t * t) * (0.7978845608 * (1 + 0.134145 * square)));
}
