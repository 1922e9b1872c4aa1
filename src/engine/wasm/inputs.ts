// What a tfjs kernel of ours is called with, read by name.

import { tf } from '../tf';
import { address, type Machine } from './machine';

export type Inputs = Record<string, tf.TensorInfo>;
export type Attributes = Record<string, number | boolean>;
export type KernelFunction = (
  machine: Machine,
  inputs: Inputs,
  attrs: Attributes,
) => tf.TensorInfo | tf.TensorInfo[];

export const input = (inputs: Inputs, name: string): tf.TensorInfo => {
  const found = inputs[name];
  if (!found) throw new Error(`kernel input ${name} is missing`);
  return found;
};

export const addresses = (inputs: Inputs, ...names: string[]): number[] =>
  names.map((name) => address(input(inputs, name)));

/** 0 for an input that is not given. */
export const optional = (inputs: Inputs, name: string): [number] => [
  inputs[name] ? address(inputs[name]) : 0,
];

export const attribute = (attrs: Attributes, name: string): number => {
  const found = attrs[name];
  if (found === undefined) throw new Error(`kernel attribute ${name} is missing`);
  return Number(found);
};

export const attributes = (attrs: Attributes, ...names: string[]): number[] =>
  names.map((name) => attribute(attrs, name));

/** The shape of an input of two axes. */
export const matrix = (inputs: Inputs, name: string): [number, number] =>
  input(inputs, name).shape as [number, number];

export const elements = (inputs: Inputs, name: string): number =>
  tf.util.sizeFromShape(input(inputs, name).shape);
