// Reasons and remedies in one sentence.
import Intake
import Testing

@Suite struct RemediedTests {
    @Test("an instruction follows a colon, what was meant follows a semicolon")
    func joined() {
        #expect(InputFault("is '064'", remedy: "write 64").message == "is '064': write 64")
        #expect(
            InputFault("is 'a'", remedy: "did you mean 'b'?").message == "is 'a'; did you mean 'b'?"
        )
        #expect(
            InputFault("is 5", remedy: "it must lie in 1...4").message
                == "is 5; it must lie in 1...4")
        #expect(InputFault("is empty").message == "is empty")
        #expect("\(InputFault("is empty"))" == "is empty")
    }

    @Test("the near name comes before those that are known")
    func names() {
        #expect(
            NearestName.remedy("trian", known: ["train", "test"])
                == "did you mean 'train'? known are train, test")
        #expect(NearestName.remedy("xyz", known: ["train"]) == "known are train")
        #expect(NearestName.remedy("xyz", known: []) == "known are none")
        #expect(NearestName.remedy("xyz", among: ["train"]) == nil)
    }
}
