/** Sizes for people, from MiB or bytes; binary, the way in which `parseSizeMiB` reads them. */

/** `256M`, `1.5G`, `2T`. */
export function sizeText(mib: number): string {
  if (mib >= 1024 * 1024) return `${short(mib / 1024 / 1024)}T`;
  if (mib >= 1024) return `${short(mib / 1024)}G`;
  return `${short(mib)}M`;
}

/** `12K`, `3.4M`, `1.2G`. */
export function bytesText(bytes: number): string {
  if (bytes < 1024 * 1024) return `${Math.ceil(bytes / 1024)}K`;
  return sizeText(bytes / 1024 / 1024);
}

function short(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toFixed(1)));
}
