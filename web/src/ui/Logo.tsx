export function Logo({ size }: { size: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden focusable="false">
      <rect width="32" height="32" rx="7" fill="var(--mantine-color-teal-8)" />
      <path
        d="M9 23V9h14M9 16h10"
        fill="none"
        stroke="#fff"
        strokeWidth="3"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
      <circle cx="22.5" cy="21.5" r="2.5" fill="var(--mantine-color-teal-2)" />
    </svg>
  );
}
