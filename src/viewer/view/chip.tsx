/** A small button that is on or off. */

interface ChipProps {
  name: string;
  isOn: boolean;
  /** Whether it is one of several, of which one is on. */
  isChoice?: boolean;
  onToggle(): void;
}

export function Chip({ name, isOn, isChoice, onToggle }: ChipProps) {
  return (
    <button type="button" class={isChoice ? "chip choice" : "chip"} aria-pressed={isOn} onClick={onToggle}>
      {name}
    </button>
  );
}
