import { describe, expect, it } from 'vitest';
import { message } from './protobuf';

describe('message', () => {
  it('writes the examples of the format’s own description', () => {
    expect([...message([[1, 150]])]).toEqual([0x08, 0x96, 0x01]);
    expect([...message([[2, 'testing']])]).toEqual([0x12, 7, ...new TextEncoder().encode('testing')]);
    expect([...message([[3, [[1, 150]]]])]).toEqual([0x1a, 3, 0x08, 0x96, 0x01]);
  });

  it('writes a negative number in ten bytes, a float in four, and keys above 15 in two', () => {
    expect([...message([[1, -1]])]).toEqual([0x08, ...new Array<number>(9).fill(0xff), 1]);
    expect([...message([[2, { float: 1 }]])]).toEqual([0x15, 0, 0, 0x80, 0x3f]);
    expect([...message([[20, 1]])]).toEqual([0xa0, 0x01, 1]);
  });

  it('counts the bytes of what is inside, whatever their number', () => {
    const bytes = new Uint8Array(300).fill(7);
    expect([...message([[9, bytes]])]).toEqual([0x4a, 0xac, 0x02, ...bytes]);
  });
});
