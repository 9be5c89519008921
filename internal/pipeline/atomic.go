package pipeline

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
)

// read returns the file's content and permissions. It refuses anything but a regular file that is
// reached without a symbolic link.
func read(root *os.Root, file string) ([]byte, fs.FileMode, error) {
	if err := noLinks(root, file); err != nil {
		return nil, 0, err
	}
	info, err := root.Lstat(file)
	switch {
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("it is not a regular file")
	case info.Size() > maxSize:
		return nil, 0, fmt.Errorf("it is larger than %d bytes", maxSize)
	}
	h, err := root.Open(file)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = h.Close() }()
	raw, err := io.ReadAll(io.LimitReader(h, maxSize+1))
	if err == nil && len(raw) > maxSize {
		err = fmt.Errorf("it is larger than %d bytes", maxSize)
	}
	return raw, info.Mode().Perm(), err
}

// noLinks refuses a path of which any part is a symbolic link. The root keeps the path inside the
// repository anyway; a link would still write to a place that nobody named.
func noLinks(root *os.Root, file string) error {
	for part := range parents(file) {
		info, err := root.Lstat(part)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s is a symbolic link", part)
		}
		if part != file && !info.IsDir() {
			return fmt.Errorf("%s is not a folder", part)
		}
	}
	return nil
}

// parents yields the parts of a path from the outermost folder to the path itself.
func parents(file string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i, r := range file {
			if r == '/' && !yield(file[:i]) {
				return
			}
		}
		yield(file)
	}
}

// makeFolders makes folder and what is missing above it, and returns what it made.
func makeFolders(root *os.Root, folder string) (made []string, err error) {
	if folder == "." {
		return nil, nil
	}
	for part := range parents(folder) {
		err := root.Mkdir(part, 0o755)
		if err == nil {
			made = append(made, part)
		} else if !errors.Is(err, fs.ErrExist) {
			return made, err
		}
	}
	return made, nil
}

// removeFolders removes the folders that are still empty, the innermost first.
func removeFolders(root *os.Root, folders []string) error {
	for _, folder := range slices.Backward(folders) {
		err := root.Remove(folder)
		if errors.Is(err, fs.ErrExist) {
			return nil // not empty: somebody uses it
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// put brings an existing file to what a change says of it. A file that is deleted takes the folders with it
// that are empty then: git knows none.
func put(root *os.Root, c Change) error {
	if !c.Gone {
		return replace(root, c.Path, c.After, c.mode)
	}
	if err := noLinks(root, c.Path); err != nil {
		return err
	}
	if err := root.Remove(c.Path); err != nil {
		return err
	}
	if folders := slices.Collect(parents(path.Dir(c.Path))); path.Dir(c.Path) != "." {
		_ = removeFolders(root, folders) // one that stays does no harm
	}
	return nil
}

// replace gives file the content, or leaves it as it was: the content goes to a temporary file in
// the same folder, reaches the disk, and takes the file's name in one step. mode 0 stands for that
// of a new file.
func replace(root *os.Root, file string, content []byte, mode fs.FileMode) error {
	if err := noLinks(root, file); err != nil {
		return err
	}
	temp := tempName(path.Dir(file))
	h, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = h.Write(content)
	if err == nil && mode != 0 {
		err = h.Chmod(mode)
	}
	if err == nil {
		err = h.Sync()
	}
	if err = errors.Join(err, h.Close()); err == nil {
		err = root.Rename(temp, file)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return syncFolder(root, path.Dir(file))
}

func tempName(folder string) string {
	return path.Join(folder, ".astro-ci-"+strings.ToLower(rand.Text()[:10])+".tmp")
}

// syncFolder makes the new name last. Windows cannot sync a folder and does not need it.
func syncFolder(root *os.Root, folder string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	h, err := root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(h.Sync(), h.Close())
}

// writable reports why a file could not be put at the path: the nearest folder that is there takes
// no new file. Modes, lists of rights and read-only disks differ, so it tries, and leaves nothing.
func writable(root *os.Root, file string) error {
	folder := path.Dir(file)
	for folder != "." {
		if _, err := root.Lstat(folder); err == nil {
			break
		}
		folder = path.Dir(folder)
	}
	temp := tempName(folder)
	h, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(h.Close(), root.Remove(temp))
}
