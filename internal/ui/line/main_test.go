package line_test

import (
	"os"
	"testing"
	"time"
)

// The golden files hold the same times on every computer.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}
