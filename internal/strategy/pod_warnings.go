package strategy

func podWarnings(pod, old map[string]any) []string { return nil }

func podTemplateWarnings(obj, old map[string]any) []string { return nil }
