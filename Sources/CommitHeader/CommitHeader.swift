// Before each build, writes the commit into Sources/CBuild/commit.h, which git ignores. The package
// manifest cannot do this: SwiftPM caches the evaluated manifest, so the commit of an earlier build
// would remain.

import Foundation
import PackagePlugin

/// Runs git before a build.
@main
struct CommitHeader: BuildToolPlugin {
    /// Arguments: the package's folder, the header. The header is written only on a change, to
    /// avoid needless rebuilds.
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

    /// The one command; it generates no sources in the build folder.
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
