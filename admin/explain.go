package admin

// Explainer says what would become of a request.
type Explainer interface{}
