import js from '@eslint/js';
import reactHooks from 'eslint-plugin-react-hooks';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';
import filmless from './eslint/floors.js';

export default defineConfig([
  globalIgnores(['dist', 'src/api/schema.d.ts']),
  js.configs.recommended,
  {
    files: ['src/**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked, reactHooks.configs.flat.recommended],
    languageOptions: { parserOptions: { projectService: true } },
    plugins: { filmless },
    rules: {
      'filmless/floors': 'error',
      eqeqeq: 'error',
      // The compiler that this speaks of is not used.
      'react-hooks/incompatible-library': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-console': ['error', { allow: ['error'] }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // The router ends a load by throwing redirect(), which is not an Error.
      '@typescript-eslint/only-throw-error': [
        'error',
        { allow: [{ from: 'package', package: '@tanstack/router-core', name: 'Redirect' }] },
      ],
      '@typescript-eslint/consistent-type-definitions': 'off',
    },
  },
  {
    files: ['*.{js,cjs,ts}', 'eslint/**/*.js'],
    languageOptions: {
      globals: { process: 'readonly', module: 'writable', URL: 'readonly', console: 'readonly' },
    },
  },
  { files: ['*.ts'], languageOptions: { parser: tseslint.parser } },
]);
