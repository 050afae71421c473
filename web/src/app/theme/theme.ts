import {
  ActionIcon,
  Badge,
  Button,
  createTheme,
  Drawer,
  type MantineColorsTuple,
  Menu,
  Modal,
  MultiSelect,
  NumberInput,
  Paper,
  PasswordInput,
  Select,
  Table,
  TextInput,
  Tooltip,
} from '@mantine/core';

/** Neutral greys with a trace of blue: a reading room is dark, and pure grey looks warm beside a CT. */
const dark: MantineColorsTuple = [
  '#d9e0e4',
  '#b6c0c6',
  '#94a1a9',
  '#5c6a73',
  '#323c43',
  '#262e34',
  '#1b2227',
  '#13181c',
  '#0c0f11',
  '#07090a',
];

/** White on shade 8 and shade 4 on the darkest greys both pass AA for small text. */
const teal: MantineColorsTuple = [
  '#e6fbf7',
  '#c8f4ec',
  '#99ebdd',
  '#5fdcc9',
  '#34c7b3',
  '#1fb0a0',
  '#16988c',
  '#118277',
  '#0f736b',
  '#0b5a54',
];

/** Dialogs and drawers are one surface from their title to their end. */
const panel = {
  content: { background: 'var(--mantine-color-dark-7)' },
  header: { background: 'var(--mantine-color-dark-7)' },
  title: { fontWeight: 600, fontSize: '1.0625rem' },
};

/** What explains a field stands below it, so that fields side by side stay in line. */
const inputWrapperOrder: ('label' | 'input' | 'description' | 'error')[] = [
  'label',
  'input',
  'description',
  'error',
];

export const theme = createTheme({
  colors: { dark, teal },
  primaryColor: 'teal',
  primaryShade: 8,
  autoContrast: false,
  defaultRadius: 'sm',
  cursorType: 'pointer',
  respectReducedMotion: true,
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', monospace",
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  lineHeights: { xs: '1.35', sm: '1.4', md: '1.5', lg: '1.5', xl: '1.5' },
  headings: {
    fontWeight: '600',
    sizes: {
      h1: { fontSize: '1.375rem', lineHeight: '1.3' },
      h2: { fontSize: '1.0625rem', lineHeight: '1.35' },
      h3: { fontSize: '0.9375rem', lineHeight: '1.4' },
    },
  },
  spacing: { xs: '0.5rem', sm: '0.75rem', md: '1rem', lg: '1.5rem', xl: '2rem' },
  components: {
    ActionIcon: ActionIcon.extend({ defaultProps: { variant: 'subtle', color: 'gray' } }),
    Badge: Badge.extend({
      defaultProps: { variant: 'light', radius: 'sm' },
      styles: { label: { textTransform: 'none' } },
    }),
    Button: Button.extend({ defaultProps: { size: 'sm' }, styles: { label: { fontWeight: 550 } } }),
    Drawer: Drawer.extend({ defaultProps: { overlayProps: { backgroundOpacity: 0.6 } }, styles: panel }),
    Menu: Menu.extend({
      // The placeholder that would take the focus first is no part that a menu may have.
      defaultProps: { shadow: 'lg', position: 'bottom-end', withInitialFocusPlaceholder: false },
    }),
    Modal: Modal.extend({
      defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.6 } },
      styles: panel,
    }),
    MultiSelect: MultiSelect.extend({ defaultProps: { size: 'sm', inputWrapperOrder } }),
    NumberInput: NumberInput.extend({ defaultProps: { size: 'sm', inputWrapperOrder } }),
    Paper: Paper.extend({ defaultProps: { withBorder: true, radius: 'md' } }),
    PasswordInput: PasswordInput.extend({ defaultProps: { size: 'sm', inputWrapperOrder } }),
    Select: Select.extend({ defaultProps: { size: 'sm', inputWrapperOrder } }),
    Table: Table.extend({ defaultProps: { verticalSpacing: 8, horizontalSpacing: 12 } }),
    TextInput: TextInput.extend({ defaultProps: { size: 'sm', inputWrapperOrder } }),
    Tooltip: Tooltip.extend({
      defaultProps: { openDelay: 400, withArrow: false, events: { hover: true, focus: true, touch: false } },
    }),
  },
});
