// This plugin writes the commit into Sources/CBuild/commit.h before each build; git ignores that
// file. The package manifest cannot do this: SwiftPM caches the evaluated manifest, so the commit
// of an earlier build would remain.

import Foundation
import PackagePlugin

/// Runs a shell script before each build; the script asks git for the commit and writes the header.
@main
struct CommitHeader: BuildToolPlugin {
    /// The shell script. Its two arguments are the paths of the package's folder and of the header.
    /// The script writes the header only if the commit has changed, to avoid needless rebuilds.
    private static let script = """
        commit=unknown
        if [ -e "$1/.git" ]; then
          commit=$(git --no-optional-locks -C "$1" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
          if [ "$commit" != unknown ]; then
            changes=$(git --no-optional-locks -C "$1" status --porcelain 2>/dev/null)
            [ -z "$changes" ] || commit=$commit-dirty
          fi
        fi
        text="// The commit of this build: written by the plugin CommitHeader, ignored by git.
        #define OFA_COMMIT \\"$commit\\""
        [ "$text" = "$(cat "$2" 2>/dev/null)" ] && exit 0
        # A read-only folder must not fail the build.
        { echo "$text" > "$2.$$" && mv -f "$2.$$" "$2"; } 2>/dev/null || exit 0
        """

    /// Returns the one command, which runs before a build and generates no sources in the build
    /// folder.
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let folder = context.package.directoryURL
        return [
            .prebuildCommand(
                displayName: "commit", executable: URL(filePath: "/bin/sh"),
                arguments: [
                    "-c", Self.script, "commit", folder.path,
                    folder.appending(path: "Sources/CBuild/commit.h").path,
                ], outputFilesDirectory: context.pluginWorkDirectoryURL)
        ]
    }
}
