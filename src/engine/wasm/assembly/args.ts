// A job's arguments: eight float64 numbers, then 32-bit integers (addresses, sizes, booleans).

@inline
export function number(args: usize, index: usize): f64 {
  return load<f64>(args + (index << 3));
}

@inline
export function integer(args: usize, index: usize): usize {
  return load<usize>(args + (index << 2), 64);
}
