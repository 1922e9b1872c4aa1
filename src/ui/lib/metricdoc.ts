export function metricDoc(key: string): string {
  return key;
}
