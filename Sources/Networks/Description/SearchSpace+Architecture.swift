// Reads a network of a space from the forms that people hold: genes as JSON, the same as a Python dictionary, or the
// `net.config` of a specialised network. Every command and file that asks for an architecture reads it here.

import Intake

extension SearchSpace {
    /// The forms of an architecture, for messages.
    public static let architectureForms =
        "JSON {\"ks\": […], \"e\": […], \"d\": […], \"r\": 224}, the same as a Python dictionary, or the JSON of a"
        + " published net.config"

    /// Reads a network of this space from `text`. `resolution` is the image size if the text states none; with neither,
    /// the size is that of a space with a single size.
    ///
    /// Errors: `malformed` for a text of no known form, and with the first field of a net.config that is not one of this
    /// space; `invalidGene`, `invalidResolution`.
    public func architecture(_ text: String, resolution: Int? = nil) throws -> SubnetConfig {
        let node: JSONNode
        do throws(InputFault) {
            node = try Self.node(text)
        } catch {
            throw NetworkError(
                .malformed, error.reason,
                remedy: error.remedy ?? "an architecture is \(Self.architectureForms)")
        }
        return try architecture(node, resolution: resolution)
    }

    /// Reads a network of this space from JSON: an object, or a text with one of the forms. `path` is the place of
    /// `node`, for errors, which are those of `architecture(_:resolution:)`.
    public func architecture(
        _ node: JSONNode, path: String = "", resolution: Int? = nil
    ) throws -> SubnetConfig {
        if case .text(let text) = node, !path.isEmpty {
            do { return try architecture(text, resolution: resolution) } catch let error
                as NetworkError
            {
                throw NetworkError(
                    error.code, "field \(path): \(error.reason)", remedy: error.remedy)
            }
        }
        let config: SubnetConfig
        do {
            config =
                PublishedNetwork.isOne(node)
                ? try published(PublishedNetwork(node, path: path), resolution)
                : try SubnetConfig(node, path: path, resolution: resolution ?? only)
        } catch let error as InputFault {
            throw NetworkError(.malformed, error.reason, remedy: error.remedy)
        }
        if let resolution, resolution != config.resolution {
            throw NetworkError(
                .invalidResolution,
                "r is \(config.resolution), and image size \(resolution) is given beside it")
        }
        try validate(config)
        return config
    }

    /// The image size of a space that has a single one; nil for other spaces.
    private var only: Int? { resolutions.count == 1 ? resolutions[0] : nil }

    /// Parses JSON or a Python literal.
    private static func node(_ text: String) throws(InputFault) -> JSONNode {
        let first = text.first { !$0.isWhitespace }
        guard first == "{" else {
            throw InputFault(
                "'\(Shown.excerpt(text, 40))' is no architecture",
                remedy: "write \(architectureForms)")
        }
        do throws(InputFault) { return try JSONNode(text, .result) } catch {
            let json = error
            do throws(InputFault) { return try JSONNode(python: text, .result) } catch {
                // A text without these characters is meant as JSON.
                throw text.contains(where: { "'(NTF".contains($0) }) ? error : json
            }
        }
    }

    private func published(_ network: PublishedNetwork, _ given: Int?) throws -> SubnetConfig {
        let own = try network.resolution()
        guard let resolution = own ?? given ?? only else {
            throw InputFault(
                "a net.config states no image size",
                remedy: "give one of \(Self.listed(resolutions)) beside it (--resolution)")
        }
        do {
            return try network.genes(in: self, resolution: resolution)
        } catch let error as any Remedied {
            let others = Self.published.filter { $0.coupling == nil && $0.name != name }
            let fitting = try others.first { try network.fits($0, resolution) }
            throw NetworkError(
                .malformed, "the net.config is no network of space \(name): \(error.reason)",
                remedy: fitting.map { "it is one of \($0.name)" } ?? error.remedy)
        }
    }
}

extension PublishedNetwork {
    /// Returns whether this is a network of `space`.
    func fits(_ space: SearchSpace, _ resolution: Int) throws -> Bool {
        do {
            _ = try genes(in: space, resolution: resolution)
            return true
        } catch is any Remedied { return false }
    }
}
