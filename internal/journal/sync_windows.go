package journal

// syncDir does nothing: Windows makes a new name durable with the file.
func syncDir(string) error { return nil }
