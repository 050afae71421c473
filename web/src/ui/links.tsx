import {
  ActionIcon,
  type ActionIconProps,
  Anchor,
  type AnchorProps,
  Button,
  type ButtonProps,
} from '@mantine/core';
import { createLink } from '@tanstack/react-router';
import type { AnchorHTMLAttributes, Ref } from 'react';

type Native<Props> = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof Props | 'style'> & {
  ref?: Ref<HTMLAnchorElement>;
};

/** Mantine's parts as links of the router: real anchors, so that a middle click opens a tab. */
export const ButtonLink = createLink(function ButtonAnchor(props: ButtonProps & Native<ButtonProps>) {
  return <Button component="a" {...props} />;
});

export const IconLink = createLink(function IconAnchor(props: ActionIconProps & Native<ActionIconProps>) {
  return <ActionIcon component="a" {...props} />;
});

export const TextLink = createLink(function TextAnchor(props: AnchorProps & Native<AnchorProps>) {
  return <Anchor {...props} />;
});
