/** An option that may be repeated: the parser calls this for each value. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
