package strategy

import (
	_ "embed"
	"testing"
)

//go:embed testdata/admission.txt
var admissionAnswers string

// TestAdmissionAnswers: configurations of webhooks, policies and bindings are judged as the real server judges them.
func TestAdmissionAnswers(t *testing.T) { checkAnswers(t, admissionAnswers, 50) }
