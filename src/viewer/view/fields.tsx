/** Names with their values; those that are empty are left out. */

export function Fields({ fields }: { fields: readonly (readonly [string, string])[] }) {
  const shown = fields.filter(([, value]) => value !== "");
  if (shown.length === 0) return null;
  return (
    <dl>
      {shown.map(([name, value]) => [<dt key={`${name}:`}>{name}</dt>, <dd key={name}>{value}</dd>])}
    </dl>
  );
}
