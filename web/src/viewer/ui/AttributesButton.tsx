import { Button } from '@mantine/core';
import { useTexts } from '../i18n';
import { useViewer } from '../state/store';

/** Shows the attributes of what the viewport in use holds. */
export function AttributesButton() {
  const t = useTexts();
  return (
    <Button
      variant="subtle"
      color="gray"
      size="compact-xs"
      onClick={() => useViewer.setState({ hasTags: true })}
    >
      {t('object.attributes')}
    </Button>
  );
}
