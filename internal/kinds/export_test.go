package kinds

// What the tests of package kinds_test use of those of this package: they import patch, which
// imports kinds.
var (
	KindsForTest = kindsForTest
	ShapeForTest = shapeForTest
	SameJSON     = sameJSON
	TreeOf       = treeOf
	EachType     = eachType
)

type ObjectMaker = objectMaker

// Object makes an object of a type, depth levels deep.
func (m *objectMaker) Object(d *Type, path string, depth int) map[string]any {
	return m.object(d, path, depth)
}
