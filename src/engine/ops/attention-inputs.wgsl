// What both ways of attention's forward pass read and write.
struct Uniforms { B: u32, H: u32, T: u32, S: u32, start: u32, window: u32, scale: f32 }

//$ if ALIGNED
alias Element = vec4f;
fn inner(x: Element, y: Element) -> f32 { return dot(x, y); }
//$ else
alias Element = f32;
fn inner(x: Element, y: Element) -> f32 { return x * y; }
//$ end

@group(0) @binding(0) var<storage, read_write> result: array<Element>;
//$ if LSE
@group(0) @binding(1) var<storage, read_write> lse: array<f32>; // [B·H, T]
@group(0) @binding(2) var<storage, read> q: array<Element>;
@group(0) @binding(3) var<storage, read> k: array<Element>;
@group(0) @binding(4) var<storage, read> v: array<Element>;
@group(0) @binding(5) var<storage, read> segments: array<i32>; // [B, S]
@group(0) @binding(6) var<uniform> u: Uniforms;
//$ else
@group(0) @binding(1) var<storage, read> q: array<Element>;
@group(0) @binding(2) var<storage, read> k: array<Element>;
@group(0) @binding(3) var<storage, read> v: array<Element>;
@group(0) @binding(4) var<storage, read> segments: array<i32>; // [B, S]
@group(0) @binding(5) var<uniform> u: Uniforms;
//$ end
