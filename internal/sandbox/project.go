package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/astro-ci/astro-ci/internal/hint"
)

// sample is a small Astro project, by path. The files below .git make it a repository without a
// git program.
var sample = map[string]string{
	"Dockerfile":         "FROM astrocrpublic.azurecr.io/runtime:3.0-10\n",
	"requirements.txt":   "# Python packages, one a line\n",
	"packages.txt":       "# operating system packages, one a line\n",
	".gitignore":         ".env\n.astro/test_dag_integrity_default.py\n__pycache__/\n",
	".astro/config.yaml": "project:\n  name: etl\n",
	"README.md":          "# etl\n\nA sample Astro project, made by the sandbox of astro-ci.\n",
	"dags/example.py": `from airflow.sdk import dag, task


@dag(schedule="@daily")
def example():
    @task
    def hello():
        print("hello")

    hello()


example()
`,
	".git/HEAD": "ref: refs/heads/main\n",
	".git/config": `[core]
	repositoryformatversion = 0
	filemode = true
	bare = false
[remote "origin"]
	url = https://github.com/acme/etl.git
	fetch = +refs/heads/*:refs/remotes/origin/*
[branch "main"]
	remote = origin
	merge = refs/heads/main
`,
}

// SampleProject makes a small Astro project in dir, as a git repository whose remote is acme/etl on
// GitHub. What is there already stays.
func SampleProject(dir string) error {
	return hint.Wrap(fillProject(dir), "make the sample project", noFolder, "")
}

func fillProject(dir string) error {
	for _, folder := range []string{".git/objects", ".git/refs/heads"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(folder)), 0o755); err != nil {
			return err
		}
	}
	for name, text := range sample {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
