// A supernet for other classes: everything but the classifier is kept, and spaces say how they differ.
import Networks
import TestSupport
import Testing

@Suite struct NewHeadTests {
    @Test("loading for other classes keeps a fresh classifier and takes everything else")
    func load() throws {
        let old = SearchSpace.tiny(classes: 5), new = SearchSpace.tiny(classes: 7)
        let from = try Weights(supernetOf: old, seed: 1)
        from.shake()
        let weights = try Weights(supernetOf: new, seed: 2)
        let fresh = try Weights(supernetOf: new, seed: 2)
        let head = try Weights.classifier(supernetOf: new)
        let arrays = Dictionary(
            uniqueKeysWithValues: from.named.map {
                ($0.parameter.name, ($0.parameter.shape, $0.values))
            })
        #expect(throws: NetworkError.self) { try fresh.copy().load(arrays) }
        try weights.load(arrays, keeping: head)
        #expect(head.count == 2)
        for (parameter, values) in weights.named {
            let source = head.contains(parameter.name) ? fresh : from
            #expect(try source.values(parameter.name) == values, "\(parameter.name)")
        }
        let names = weights.named.map(\.parameter.name)
        #expect(names.filter(head.contains).count == 2)
        // An array that neither space knows is still refused.
        #expect(throws: NetworkError.self) {
            try weights.load(arrays.merging(["stray": ([1], [0])]) { $1 }, keeping: head)
        }
    }

    @Test("the first difference of two spaces is named; other classes may be allowed")
    func apart() throws {
        let space = SearchSpace.fashion
        func changed(_ name: String = "other", _ change: (inout SpaceChange) -> Void) -> SearchSpace
        {
            var other = SpaceChange()
            change(&other)
            return space.changed(other, name: name)
        }
        #expect(try space.apart(from: space, besidesClasses: false) == nil)
        let classes = changed { $0.classes = 7 }
        #expect(try space.apart(from: classes, besidesClasses: false) == "classes is 10, not 7")
        #expect(try space.apart(from: classes, besidesClasses: true) == nil)
        for allowed in [false, true] {
            let sizes = changed(space.name) { $0.resolutions = [28] }
            #expect(
                try space.apart(from: sizes, besidesClasses: allowed)
                    == "resolutions are [20, 24, 28], not [28]")
            let channels = changed { $0.channels = 3 }
            #expect(
                try space.apart(from: channels, besidesClasses: allowed)?.hasPrefix("inputChannels")
                    == true)
        }
        let named = changed("named") { _ in }
        #expect(
            try space.apart(from: named, besidesClasses: false)
                == "its name is fashion-mbv3, not named")
        #expect(try space.apart(from: named, besidesClasses: true) == nil)
        let coupled = try SearchSpace.named("compofa-mbv3-w1.0")
        var change = SpaceChange()
        change.classes = 7
        #expect(
            try coupled.changed(change, name: "x").apart(from: coupled, besidesClasses: true) == nil
        )
    }
}
