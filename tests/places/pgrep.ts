/** The processes that pgrep(1) finds. */
export async function pgrep(...args: string[]): Promise<number[]> {
  const { stdout } = await new Deno.Command("pgrep", { args }).output();
  return new TextDecoder().decode(stdout).trim().split("\n").filter(Boolean).map(Number);
}
